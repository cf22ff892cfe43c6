"""A packet as one page of HTML: printable, without anything from outside, everything escaped."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from caretally.reports.packet import Packet

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="robots" content="noindex">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{{ packet.title }}, {{ packet.service_month }}</title>
<style>
body { font: 11pt/1.45 Georgia, "Times New Roman", serif; color: #1a1a1a; }
body { max-width: 48rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; margin: 0 0 .2rem; }
h2 { font-size: 1.1rem; margin: 1.6rem 0 .4rem; border-bottom: 1px solid #999; padding-bottom: .15rem; }
h2 { break-after: avoid; }
p, li { margin: .15rem 0; }
ul { margin: .3rem 0; padding-left: 1.2rem; }
li.below { list-style: none; margin-left: 1rem; color: #444; }
table { border-collapse: collapse; width: 100%; margin: .5rem 0; font-size: .88rem; }
th, td { text-align: left; vertical-align: top; padding: .25rem .5rem .25rem 0; }
th, td { border-bottom: 1px solid #ddd; }
td.long { overflow-wrap: anywhere; }
th { border-bottom: 1px solid #666; font-weight: 600; }
tr { break-inside: avoid; }
footer { margin-top: 2rem; font-size: .8rem; color: #555; border-top: 1px solid #999; padding-top: .4rem; }
@media print { body { margin: 0; max-width: none; } @page { margin: 18mm; } }
</style>
</head>
<body>
<header>
<h1>{{ packet.title }}</h1>
<p>{{ packet.patient }}, service month {{ packet.service_month }}{% if packet.practitioner %}, billed by
{{ packet.practitioner }}{% endif %}</p>
</header>
<main>
{% for part in packet.parts %}
<section>
<h2>{{ part.title }}</h2>
{% if part.lines %}<ul>
{% for line in part.lines %}<li{% if line.startswith("    ") %} class="below"{% endif %}>{{ line.strip() }}</li>
{% endfor %}</ul>{% endif %}
{% if part.head %}<table>
<thead><tr>{% for cell in part.head %}<th scope="col">{{ cell }}</th>{% endfor %}</tr></thead>
<tbody>
{% for row in part.rows %}<tr>{% for cell in row -%}
<td{% if cell.split() | map("length") | select("gt", 20) | list %} class="long"{% endif %}>{{ cell }}</td>
{%- endfor %}</tr>
{% endfor %}</tbody>
</table>{% endif %}
</section>
{% endfor %}
</main>
<footer>Made by {{ packet.software }} at {{ packet.made_at }}. It holds protected health information.</footer>
</body>
</html>
"""


def packet_html(packet: Packet) -> bytes:
    """Return a packet as HTML in UTF-8."""
    from jinja2 import Environment, StrictUndefined  # noqa: PLC0415 -- only this format pays for it

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(_PAGE).render(packet=packet).encode()
