from paywarden.monitoring.exposition import Metric, exposition


def test_gauges_in_the_text_format():
    text = exposition([Metric("psi", "Distance.", [({"column": 'a"b\\c'}, 0.25)]), Metric("none", "Nothing.", [])])
    assert text == (
        "# HELP paywarden_monitor_psi Distance.\n"
        "# TYPE paywarden_monitor_psi gauge\n"
        'paywarden_monitor_psi{column="a\\"b\\\\c"} 0.25\n'
    )
