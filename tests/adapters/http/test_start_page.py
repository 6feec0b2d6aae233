"""The start page: the services that it lists, its demo, and the policy that it obeys."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from sharedstate_anyio.http.rendering import ServiceInfo
from sharedstate_anyio.http.site import Site
from tests.support.site import ITEMS, MEMORY, Page

if TYPE_CHECKING:
    from pathlib import Path


def test_the_page_lists_the_services_in_order(site: Site) -> None:
    words = " ".join(Page(site.respond("GET", "/")).words.split())
    assert words.index("items SQLite file") < words.index("mitems SQLite, in memory")
    assert "/app/mitems/collection" in words


def test_the_demo_prefers_a_service_that_forgets(libs: Path) -> None:
    def path(*services: ServiceInfo) -> str | None:
        return Page(Site(services, libs=libs).respond("GET", "/")).path()

    assert path(ITEMS, MEMORY) == "/demo/mitems/list"
    assert path(ITEMS, ServiceInfo("tape", "module tape")) == "/demo/items/list"
    assert path() == ""


def test_a_demo_that_is_not_kept_says_so(libs: Path) -> None:
    def words(*services: ServiceInfo) -> str:
        return Page(Site(services, libs=libs).respond("GET", "/")).words

    assert "Kept in memory: gone when the server stops." in words(ITEMS, MEMORY)
    assert "Kept in memory" not in words(ITEMS)
    assert "Kept in memory" not in words()


@pytest.mark.parametrize(
    "name", ['"><script>x()</script>', "{{path}}", "{{services}}", "&amp;", "\\1"]
)
def test_a_service_name_is_text_and_nothing_else(libs: Path, name: str) -> None:
    plain = Page(Site([MEMORY], libs=libs).respond("GET", "/"))
    page = Page(Site([ServiceInfo(name, name, in_memory=True)], libs=libs).respond("GET", "/"))
    assert page.path() == f"/demo/{name}/list"
    assert [tag for tag, _ in page.tags] == [tag for tag, _ in plain.tags]
    assert page.words.count(name) == plain.words.count("mitems") + 1


def test_the_page_obeys_its_own_policy(site: Site) -> None:
    response = site.respond("GET", "/")
    assert b"{{" not in response.body
    for tag, attrs in Page(response).tags:
        assert "style" not in attrs
        assert not any(name.startswith("on") for name in attrs)
        assert tag != "style"
        assert tag != "script" or attrs.get("src")
        for target in (attrs.get("src"), attrs.get("href")):
            assert target is None or site.respond("GET", target).status == 200


def test_what_the_scripts_ask_for_is_there(site: Site) -> None:
    script = site.respond("GET", "/pages/demo.js").body.decode()
    page = site.respond("GET", "/").body.decode()
    imports = re.findall(r'^import .* from "(.*)";$', script, re.MULTILINE)
    assert imports == ["/libs/sharedstate.es.js"]
    named = re.findall(r'(?:byId|copyOf)\("(\w+)"\)', script)
    assert len(named) > 5
    assert all(f'id="{name}"' in page for name in named)


def test_no_data_becomes_markup(site: Site) -> None:
    script = site.respond("GET", "/pages/demo.js").body.decode()
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", script)
