"""Small experiments that several tests train."""

#: EventProp on generated samples of Yin-Yang: a second or less.
YINYANG = """
algorithm = "eventprop"
epochs = 2
[data]
name = "yinyang"
source = "generated"
validation = 40
train = 200
test = 60
[encoding]
late = 30
bias = 0
end = 60
[network]
hidden = [20]
initial_mean = [2.0, 1.4]
initial_deviation = [0.78, 0.1]
[clocked]
largest_weight = [6, 6]
"""

#: nBP on a part of the digits: a second or less.
DIGITS = """
seed = 2
epochs = 3
[data]
name = "digits"
validation = 50
train = 200
test = 60
[network]
n_hidden = 20
"""
