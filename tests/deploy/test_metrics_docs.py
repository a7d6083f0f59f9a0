from scripts import metrics_docs


def test_the_page_is_what_the_processes_say(scrapes: dict[str, str]) -> None:
    assert metrics_docs.PAGE.read_text() == metrics_docs.page(scrapes)


def test_a_metric_names_who_has_it_and_its_labels() -> None:
    text = '# HELP cache_x_total A thing.\n# TYPE cache_x_total counter\ncache_x_total{layer="a"} 1\n'
    found = metrics_docs.page({"one": text, "other": ""})
    assert "| `cache_x_total` | counter | `layer` | one | A thing. |" in found
