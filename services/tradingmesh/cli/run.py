"""`tradingmesh run COMPONENT`: one component in this process."""

from importlib import import_module

from tradingmesh.cli.parent import end_with_parent
from tradingmesh.contract import Component
from tradingmesh.core.errors import ConfigError
from tradingmesh.runtime.component import run_component
from tradingmesh.runtime.settings import load_settings


def run(name: str) -> None:
    """Runs the component of that name until SIGTERM. Raises `ConfigError` where it cannot start."""
    if name not in list(Component):
        raise ConfigError(f"there is no component {name!r}; there are {', '.join(Component)}")
    end_with_parent()
    component = Component(name)
    settings = load_settings()
    if not settings.system_file.exists():
        raise ConfigError(f"{settings.system_file}: no such file: name the manifest in TRADINGMESH_SYSTEM_FILE")
    module = import_module(f"tradingmesh.{name.replace('-', '_')}.main")
    if component is Component.ALPACA_SIMULATOR:
        module.main(settings)
    else:
        run_component(component, module.build, settings)
