class AbstractCProcessModel:
    pass


class CLoihiProcessModel(AbstractCProcessModel):
    pass
