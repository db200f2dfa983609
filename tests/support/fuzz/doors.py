"""The doors by which something enters the library, and what must hold at each: an answer, or one line that refuses.

An answer is compared with an oracle where there is one.
"""

from __future__ import annotations

from fuzz import event_files, folders, readers, values
from fuzz.door import Door

DOORS = {
    "circuits": Door(values.circuits, values.enter_circuit, 80),
    "configurations": Door(values.configurations, values.enter_configuration, 150),
    "npz": Door(readers.npz_files, readers.enter_npz, 100),
    "headers": Door(readers.header_cases, readers.enter_header, 60),
    "idx": Door(readers.idx_files, readers.enter_idx, 20),
    "exchange": Door(readers.exchange_files, readers.enter_exchange, 12),
    "events": Door(event_files.event_files, event_files.enter_event_files, 60),
    "checkpoints": Door(folders.checkpoints, folders.enter_checkpoint, 60),
    "results": Door(folders.results, folders.enter_result, 60),
    "trains": Door(values.spike_trains, values.enter_trains, 150),
    "command line": Door(folders.command_lines, folders.enter_command_line),
}
