"""Each cell of a list says what its column is called, whoever drew the table."""

from __future__ import annotations

from imagegen_app.forms.labelled_rows import label_cells

HEADERS = [
    {"text": "<input>", "class_attrib": ' class="action-checkbox-column"'},
    {"text": "name", "class_attrib": ' class="sortable column-name sorted ascending"'},
    {"text": 'cost & "more"', "class_attrib": ' class="column-cost"'},
]


def test_cells_are_labelled_by_the_field_in_their_class() -> None:
    table = (
        '<table id="result_list"><thead><tr><th scope="col" class="column-name">Name</th></tr></thead>'
        '<tbody><tr><td class="action-checkbox"></td><th class="field-name"><a href="?">A</a></th>'
        '<td class="field-cost nowrap">1</td><td class="field-other">2</td></tr></tbody></table>'
    )

    found = label_cells(table, HEADERS)

    assert '<th role="rowheader" data-label="Name" class="field-name">' in found
    assert 'data-label="Cost &amp; &quot;more&quot;" class="field-cost nowrap"' in found
    assert '<td role="cell" class="field-other">' in found
    assert found.count('role="row"') == 2
    assert '<table id="result_list" role="table">' in found


def test_what_is_no_table_of_django_is_left_as_it_is() -> None:
    assert label_cells("<p>No rows</p>", HEADERS) == "<p>No rows</p>"
