"""From a file to rows with their places.

`reading.read_rows` is the entrance: it tells the encoding (`decoding`) and the format (`detection`), and calls the
module of that format: `delimited` (CSV, TSV), `xlsx`, `json_rows`, `yaml_rows`, `markdown`, `html`. `intents`, `qnabot`
and `qnamaker` turn the rows of other programs into rows of entries.

`json_values`, `yaml_values` and `html_page` parse; `table` makes rows of cells with a header. `row_file.RowFile` is the
file being read, with its bad rows and warnings (`warning`); `row.Row` is what every format gives, `fields` the fields
that a caller asks for, and `options` what the sender chooses and the limits.

To add a format: write a module with `rows(text, file)` that yields a `Row` for each item and calls `file.reject` for a
bad one; add its name to `options.Format`, its suffixes and content to `detection`, and the call to
`reading._text_rows`; add a sample file to `tests/data/files` and its expectation to `test_files_people_have.py`.
"""
