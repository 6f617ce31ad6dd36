from tests.integration.bot.http.api.conftest import office, own_office

__all__ = ["office", "own_office"]
