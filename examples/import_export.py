"""Load a CSV file, leave out rows that do not fit, and write the result as JSON lines.

Prints:
    loaded 2 rows, left out 1: line 3: field 'year': expected INT16, got str 'soon'
"""

from pathlib import Path

import elanus

Path("papers.csv").write_text(
    "id,title,year,embedding\n"
    '1,Graphs for search,2016,"[1, 0, 0]"\n'
    '2,Not yet written,soon,"[0, 1, 0]"\n'
    '3,Logs and recovery,1992,"[0, 0, 1]"\n'
)

with elanus.connect("./library") as db:
    papers = db.create_collection(
        "papers",
        elanus.Schema(
            [
                elanus.Field("id", elanus.INT64, primary=True),
                elanus.Field("title", elanus.VARCHAR),
                elanus.Field("year", elanus.INT16),
                elanus.Field("dense", elanus.FLOAT_VECTOR, dim=3),
            ]
        ),
    )
    result = papers.import_data("papers.csv", columns={"embedding": "dense"}, max_errors=10)
    reason = result.errors[0].partition("papers.csv, ")[2]
    print(f"loaded {result.rows} rows, left out {result.failed}: {reason}")

    papers.export_data("papers.jsonl", output=["id", "title", "year"])
    print(Path("papers.jsonl").read_text(), end="")
