"""The page of `reverie.play` in a real browser: keys are pressed, and what is shown is read."""

import time

import pytest
from pages import CHROMIUM, PICTURE, Server, number, open_page, step, until, wait_for_step

from reverie.rollouts.storage import find_batches

pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="no Chromium here: apt-get install chromium, or `make browser` as root"
)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("played"), "--seed", 2)
    yield server
    assert server.stop() == 0


@pytest.fixture
def page(browser, server):
    page = open_page(browser, server.url, viewport={"width": 1280, "height": 900})
    yield page
    assert page.problems == []
    page.close(run_before_unload=True)


def test_keys_move_both_pictures(page):
    page.check("#endless")
    before = {side: page.evaluate(PICTURE, side) for side in ("game", "dream")}
    assert any(before["game"])
    page.focus("#figures")
    page.keyboard.down("ArrowRight")
    wait_for_step(page, 30)
    assert number(page, "Action") == "1 by person"
    assert "held" in page.get_attribute("button[data-code=ArrowRight]", "class")
    page.keyboard.up("ArrowRight")
    for side in ("game", "dream"):
        assert page.evaluate(PICTURE, side) != before[side]
    page.keyboard.press("p")
    page.wait_for_selector("#run:text-is('Play')")
    stood = step(page)
    page.keyboard.press(".")
    wait_for_step(page, stood + 1)
    assert number(page, "Action") == "0 by person"
    time.sleep(0.3)
    assert step(page) == stood + 1


def test_keys_are_let_go_when_the_page_loses_the_focus(page):
    page.keyboard.down("ArrowLeft")
    wait_for_step(page, 3)
    page.evaluate("dispatchEvent(new Event('blur'))")
    until(page, "!document.querySelector('#keys .held')")
    now = step(page)
    wait_for_step(page, now + 3)
    assert number(page, "Action") == "0 by person"


def test_knobs_act(page):
    page.check("#endless")
    page.select_option("#component", label="always 3")
    page.focus("#figures")
    page.keyboard.press("ArrowLeft")
    wait_for_step(page, 5)
    assert number(page, "Component") == "3"
    page.fill("#temperature", "0.3")
    until(page, "document.getElementById('temperature-value').textContent === '0.30'")
    page.select_option("#component", label="as the network weighs them")
    page.select_option("#player", "wandering")
    until(page, "document.getElementById('numbers').textContent.includes('by wandering')")
    page.select_option("#view", "dream")
    page.wait_for_selector("#game-figure", state="hidden")


def test_an_earlier_moment_is_looked_at_and_taken_up(page):
    page.check("#endless")
    page.focus("#figures")
    page.keyboard.down("ArrowRight")
    wait_for_step(page, 40)
    page.keyboard.press("p")
    page.keyboard.up("ArrowRight")
    page.wait_for_selector("#run:text-is('Play')")
    now = page.evaluate(PICTURE, "dream")
    page.focus("#moment")
    for _ in range(20):
        page.keyboard.press("ArrowLeft")
    until(page, "document.getElementById('hint').textContent.startsWith('Looking at')")
    until(page, f"now => ({PICTURE})('dream').join() !== now.join()", arg=now)
    looked = step(page)
    assert looked < 40
    page.keyboard.press("Enter")
    until(page, "document.getElementById('hint').textContent.includes('to begin')")
    assert step(page) == step(page, "game") == looked
    page.keyboard.press("ArrowLeft")
    wait_for_step(page, looked + 5)


def test_pointing_at_the_timeline_shows_a_moment_and_a_click_goes_back(page):
    page.check("#endless")
    page.click("#run")
    wait_for_step(page, 30)
    box = page.locator("#plots").bounding_box()
    page.mouse.move(box["x"] + box["width"] * 10 / 150, box["y"] + 20)
    until(page, "document.getElementById('hint').textContent.includes('moment 10 of')")
    page.mouse.click(box["x"] + box["width"] * 10 / 150, box["y"] + 20)
    until(page, "/step 10,/.test(document.getElementById('dream-score').textContent)")


def test_a_recording_made_with_the_page_opens_as_rollouts(page, server):
    page.click("#record")
    page.wait_for_selector("#record[aria-pressed=true]")
    page.focus("#figures")
    page.keyboard.down("ArrowLeft")
    wait_for_step(page, 15)
    page.keyboard.up("ArrowLeft")
    page.keyboard.press("Backspace")
    until(page, "document.getElementById('kept').textContent.startsWith('2 written')")
    for kind in ("game", "dream"):
        assert find_batches(server.folder / kind, "doomrnn")


def test_a_lost_connection_is_taken_up_again(page):
    page.keyboard.press("ArrowLeft")
    wait_for_step(page, 10)
    page.evaluate("socket.close()")
    until(page, "document.getElementById('connection-state').textContent.includes('again')")
    until(page, "document.getElementById('connection-state').textContent === 'connected'")
    wait_for_step(page, 10)
    now = step(page)
    page.click("#run")
    wait_for_step(page, now + 5)


def test_a_second_tab_watches(page, browser):
    page.check("#endless")
    with page.expect_popup() as opened:
        page.click("#watch")
    other = opened.value
    until(other, "document.getElementById('hint').textContent === 'You are watching.'")
    page.click("#run")
    wait_for_step(other, 10)
    assert other.is_disabled("#run")
    other.close()


def test_a_closed_tab_frees_everything(browser, server):
    page = open_page(browser, server.url)
    with_game = server.children()
    page.close(run_before_unload=True)
    for _ in range(100):
        if len(server.children()) < len(with_game):
            return
        time.sleep(0.1)
    raise AssertionError("the game's process is still there")


def test_the_score_is_the_sum_of_rewards_and_ends_are_shown(page):
    page.select_option("#player", "fresh_random")
    page.select_option("#speed", "0")
    until(page, "!document.getElementById('game-over').hidden")
    until(page, "!document.getElementById('dream-over').hidden")
    shown, over = page.inner_text("#game-score"), page.inner_text("#game-over")
    total = page.evaluate("rows.slice(1).reduce((sum, row) => sum + (row.game?.reward ?? 0), 0)")
    assert shown == f"step {total}, score {total}"  # one for each step alive
    assert over == f"over after {total} steps"
    page.keyboard.press("Backspace")
    until(page, "document.getElementById('game-over').hidden")


def test_touch_on_a_phone(browser, server):
    size = {"width": 375, "height": 700}
    page = open_page(browser, server.url, viewport=size, has_touch=True, is_mobile=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= 375
    page.locator("button[data-code=ArrowRight]").scroll_into_view_if_needed()
    page.tap("button[data-code=ArrowRight]")
    wait_for_step(page, 5)
    acted = page.evaluate("rows.slice(1).map(row => row.action[0])")
    assert 1 in acted
    assert acted[-1] == 0
    page.close(run_before_unload=True)


def test_every_control_has_a_name_and_is_reached_by_keyboard(page):
    names = page.evaluate(
        """() => [...document.querySelectorAll("button, select, input, a")]
        .filter((at) => at.offsetParent)
        .map((at) => at.getAttribute("aria-label") || at.textContent.trim()
          || at.labels?.[0]?.textContent.trim() || "")"""
    )
    assert len(names) > 12
    assert all(names)
    reached = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.id"))
    enabled = ["run", "step", "next", "record", "player", "view", "speed", "seed", "temperature"]
    assert {*enabled, "component", "endless", "follow", "moment", "watch"} <= reached


def test_nothing_comes_from_elsewhere(browser, server):
    page = browser.new_page()
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(server.url)
    page.wait_for_selector("#keys button")
    assert all(url.startswith((server.url, "data:")) for url in asked)
    page.close(run_before_unload=True)
