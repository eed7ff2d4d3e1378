"""How devices are: a consumer of the journal with its own file (devices.sqlite), and the judgement of what it has counted."""
