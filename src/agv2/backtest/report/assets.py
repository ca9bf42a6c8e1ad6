"""What pages that look like the report share with it: style sheet, macros and the rules of their templates."""

from importlib.resources import files

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

__all__ = ["page_asset", "page_environment"]

_REPORT = "agv2.backtest.report"


def page_environment(package: str = _REPORT) -> Environment:
    """Templates of `package`, beside those of the report, for pages of one file.

    Args:
        package: has a directory `templates`; a name that it lacks is looked for among the report's.
    """
    loaders = [PackageLoader(name, "templates") for name in dict.fromkeys((package, _REPORT))]
    return Environment(
        loader=ChoiceLoader(loaders), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )


def page_asset(name: str, package: str = _REPORT) -> str:
    """Text of a style sheet or script among the templates of `package`."""
    return (files(package) / "templates" / name).read_text(encoding="utf-8")
