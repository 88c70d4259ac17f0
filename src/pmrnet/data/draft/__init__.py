"""Drafting a protocol file for a folder of one's own volumes."""

from pmrnet.data.draft.draft import draft_protocol, write_draft

__all__ = ["draft_protocol", "write_draft"]
