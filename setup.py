"""What pyproject.toml has no words for: folders beside the packages in a checkout lie inside them once installed."""

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

INSIDE = {"assets": "xai_core/assets", ".streamlit": "dashboard/.streamlit"}
"""Streamlit reads its settings beside the script that it runs; the rest looks where `xai_core.files.ASSETS` says."""


class WithAssets(build_py):
    """Copies those folders into the wheel; an editable install leaves them where they are."""

    def run(self) -> None:
        """Build, then copy."""
        super().run()
        for source, target in () if self.editable_mode else INSIDE.items():
            for file in sorted(path for path in Path(source).rglob("*") if path.is_file()):
                copied = Path(self.build_lib, target, file.relative_to(source))
                self.mkpath(str(copied.parent))
                self.copy_file(str(file), str(copied))


setup(cmdclass={"build_py": WithAssets})
