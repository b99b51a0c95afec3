"""Orders keeps every promise of somebody's time: 点单—派单—接单—评单 and 询单—制单, each from the wish to its close."""
