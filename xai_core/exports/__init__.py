"""Files that a model becomes for other programs, phones among them: one file per format."""

from xai_core.exports.base import EXPORTS, Ask, Format

__all__ = ["EXPORTS", "Ask", "Format"]
