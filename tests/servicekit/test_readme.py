from pathlib import Path

from servicekit import process
from servicekit.migrate import MigrateSettings
from servicekit.settings import ServiceSettings

README = (Path(process.__file__).parent / "README.md").read_text(encoding="utf-8")


def test_every_setting_is_documented() -> None:
    for name in {*ServiceSettings.model_fields, *MigrateSettings.model_fields}:
        assert f"`CHAOYANGLI_{name.upper()}`" in README, name


def test_every_module_is_in_the_map() -> None:
    for module in Path(process.__file__).parent.glob("*.py"):
        if module.stem not in {"__init__", "settings"}:
            assert f"`{module.stem}`" in README, module.stem
