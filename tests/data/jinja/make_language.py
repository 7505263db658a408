"""Writes language.json: small templates of our own and what Python's jinja2 makes of them.

    python tests/data/jinja/make_language.py      (needs transformers and jinja2; their versions are recorded)

Every template is compiled in the environment that transformers uses for chat templates and rendered with the same
variables.  A case is {"t": template, "out": text} or {"t": template, "raises": class of the exception}.
strftime_now formats NOW, in UTC.
"""

import json
import os
from datetime import datetime, timezone

import jinja2
import transformers
from transformers.utils.chat_template_utils import _compile_jinja_template

HERE = os.path.dirname(os.path.abspath(__file__))
NOW = 1700000000  # 2023-11-14 22:13:20 UTC

VARIABLES = {
    "name": "Ada",
    "n": 3,
    "zero": 0,
    "f": 2.5,
    "yes": True,
    "no": False,
    "nothing": None,
    "empty": "",
    "text": "  Hello, World!\n",
    "uni": "Grüße, Ωmega – 日本 😀",
    "html": "<b>\"it's\" & more</b>",
    "items": [3, 1, 2],
    "words": ["pear", "Apple", "fig", "apple"],
    "mixed": [1, 1.0, True, None, "x", [1, "y"], {"a": 1}],
    "user": {"name": "Bob", "age": 41, "tags": ["a", "b"], "items": "shadowed", "address": {"city": "Oslo"}},
    "users": [
        {"name": "Cy", "age": 30, "city": "Rome", "admin": True},
        {"name": "al", "age": 25, "city": "oslo", "admin": False},
        {"name": "Bo", "age": 30, "city": "Oslo"},
    ],
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "<think>\nhm\n</think>\n\nHello", "tool_calls": []},
        {"role": "user", "content": ["part", {"type": "text", "text": "t"}]},
    ],
    "matrix": [[1, 2], [3, 4]],
    "args": {"x": 1, "s": "é\"\\\n\t\u2028\x01", "l": [], "d": {}, "f": 1e20, "b": False, "z": None},
    "big": 9007199254740993,
    "bos_token": "<s>",
}

CASES = {
    "output": r"""
plain text
{{ name }}
{{name}}{{ name }} {{ name}}
{{ undefined_name }}|
{{ nothing }} {{ yes }} {{ no }} {{ n }} {{ f }}
{{ 'single' }} {{ "double" }}
{{ 'con' 'cat' "enated" }}
{{ 'tab\tnew\nline' }}
{{ 'quote \' and \" and \\' }}
{{ "\x41\u00e9\U0001F600\101" }}
{{ 'unknown \q escape' }}
{{ 'null \0 inside' | length }}
{{ '\a\b\f\v' | tojson }}
{{ 1 }} {{ 007 }}
{{ 0 }} {{ 00 }} {{ 1_000 }} {{ 0x1F }} {{ 0b101 }} {{ 0o17 }} {{ 0XfF }}
{{ 1.5 }} {{ 1e3 }} {{ 2.5e-3 }} {{ 1_0.2_5 }} {{ 1E2 }}
{{ 1.0 }} {{ 100000000000000000.0 }} {{ 1e16 }} {{ 1e15 }} {{ 0.0001 }} {{ 0.00001 }} {{ 123456789.123 }}
{{ 0.1 + 0.2 }} {{ 1/3 }} {{ 1e300 * 1e10 }} {{ -1e300 * 1e10 }} {{ 5e-324 }} {{ 1.7976931348623157e308 }}
{{ true }} {{ True }} {{ false }} {{ False }} {{ none }} {{ None }}
{{ [1, 'a', "b'c", none, true, 1.0] }}
{{ {'a': 1, 'b': [1, 2], 'c': {'d': none}} }}
{{ (1, 2) }} {{ (1,) }} {{ () }} {{ 1, 2 }}
{{ [] }} {{ {} }} {{ [[]] }} {{ [{}] }}
{{ [1, 2,] }} {{ {'a': 1,} }}
{{ user }}
{{ mixed }}
{{ args }}
{{ [html, uni, text] }}
{{ ["it's", 'say "x"', 'both \' and "', 'back\\slash', 'tab\t nl\n cr\r', '\x00\x7f\x9f', '\u00a0\u00ad\u2028\ufeff', '\U0001F600'] }}
{{ {1: 'a', none: 'b', 1.5: 'c', (1, 2): 'd', true: 'e'} }}
{{ {'a': 1, 'a': 2} }}
{{ uni }}
{{ html }}
{{ range(3) }} {{ range(1, 5) }} {{ range(0, 10, 3) }}
{{ namespace(a=1, b='x') }}
{{ big }} {{ big + 1 }}
{{ -0.0 }} {{ 0.0 }}
{{ user.items() }}|{{ user.keys() }}|{{ user.values() }}
{{ "{{ not a tag }}" }}
{{ '%}' }}{{ '}}' }}
{{ {'a': {'b': 1}} }}
{{ {'a': {'b': 1}}['a']['b'] }}
{{ name ; }}
{{ }}
{{ name name }}
{{ (name }}
{{ [1, 2 }}
{{ name) }}
{{ name
{% name %}
{{ 'open }}
{{ $ }}
{{ '\xZZ' }}
{{ '\u12' }}
""",
    "white space": [
        "a\n{% if true %}\nb\n{% endif %}\nc\n",
        "a\n  {% if true %}\n  b\n  {% endif %}\nc",
        "a\n  {%- if true -%}\n  b\n  {%- endif -%}\nc",
        "a\n  {%+ if true %}\n  b\n  {%+ endif %}\nc",
        "a {% if true %} b {% endif %} c",
        "  {% if true %}x{% endif %}  \n  y",
        "a\n\n\n{%- if true %}\n\n\nb{% endif %}",
        "x {{- 1 -}} y {{ 2 }} z",
        "x\n{{ 1 }}\ny\n{{ 2 }}\n",
        "x\n\n{{ 1 }}\n\n",
        "line\n    {{ 1 }}\n",
        "a\n  {# comment #}\nb",
        "a\n  {#- comment -#}\nb",
        "a {# one #} b {#- two #} c {# three -#} d",
        "a\n  {#+ kept #}\nb",
        "a\n{# x #}{# y #}\nb",
        "a\n {# x +#}\nb",
        "{# multi\nline #}x",
        "{##}x{#-#}y{#--#}z",
        "a{% if true +%}\nb{% endif %}",
        "a\r\nb\rc\n{{ 'x\r\ny' }}\r\n",
        "trailing\n\n",
        "trailing\n",
        "\n",
        "",
        "\n\nx",
        " \t {%- set x = 1 %}\t\n  {{ x }}",
        "a{% raw %}{{ not }} {% parsed %} {# at all #}{% endraw %}b",
        "a\n  {% raw %}\n  {{ x }}\n  {% endraw %}\nb",
        "a {%- raw -%}  {{ x }}  {%- endraw -%} b",
        "a{%raw%}x{%endraw%}b{% raw %}{% endraw %}c",
        "a {% raw %} {{ x }} {% endraw -%}   b",
        "a\n {% raw %}\n x\n {%+ endraw %}\nb",
        "{% raw %}unclosed",
        "{# unclosed",
        "{% raw -%}  x{% endraw %}",
        "\u00a0{%- if true %}\u2003x{%- endif %}",
        "a\u00a0\n\u00a0{% if true %}x{% endif %}",
        "{% for x in [1,2] %}\n{{ x }}\n{% endfor %}\n",
        "{% for x in [1,2] -%}\n{{ x }}\n{%- endfor %}\n",
        "{% for x in [1,2] %}{{ x }}{% if not loop.last %}, {% endif %}{% endfor %}",
        "  {{ 1 }}  {% set a = 1 %}  \n  {% set b = 2 %}\n",
        "{%if true%}tight{%endif%}",
        "{%\nif\ntrue\n%}\nlines\n{%\nendif\n%}",
        "{{\n1\n+\n1\n}}",
        "\t{% if true %}\n\tx\n\t{% endif %}\n",
        "x {%- if false %}{% endif %} y",
        "{% set x = 1 %}\n\n{{ x }}",
        "{%- set x = 1 -%}  {{ x }}",
        "a{%- print 1 -%}b",
        "{{ 1 -}}\n\n  x",
        "{ { % } } { # not tags",
        "{",
        "a {",
        "{{ '{%' }} {{ '#}' }}",
        "{{ 'a' }}{",
        "100% {{ 1 }} %} }} #}",
        "  {%- if true %}  \n  b{% endif %}",
        "x\n \x0b\x0c {% if true %}y{% endif %}",
    ],
    "arithmetic": r"""
{{ 1 + 2 * 3 }} {{ (1 + 2) * 3 }} {{ 2 - 3 - 4 }}
{{ 7 / 2 }} {{ 8 / 2 }} {{ 7 // 2 }} {{ -7 // 2 }} {{ 7 // -2 }} {{ 7 % 3 }} {{ -7 % 3 }} {{ 7 % -3 }}
{{ 7.5 // 2 }} {{ -7.5 // 2 }} {{ 7.5 % 2 }} {{ -7.5 % 2 }} {{ 7 % 2.5 }} {{ 5.0 // 0.3 }}
{{ 2 ** 10 }} {{ 2 ** -1 }} {{ 2 ** 0.5 }} {{ 2 ** 3 ** 2 }} {{ -2 ** 2 }} {{ 10 ** 15 }}
{{ -3 }} {{ - 3 }} {{ --3 }} {{ +3 }} {{ -n }} {{ -f }} {{ 1 - -1 }}
{{ true + 1 }} {{ true * 3 }} {{ false - true }} {{ -true }} {{ true / 2 }} {{ true + true }}
{{ n + f }} {{ n * f }} {{ n - 1 }} {{ n / n }}
{{ 'a' + 'b' }} {{ 'a' * 3 }} {{ 3 * 'ab' }} {{ 'a' * 0 }} {{ 'a' * -1 }}
{{ [1] + [2, 3] }} {{ [0] * 3 }} {{ (1,) + (2,) }} {{ (1, 2) * 2 }} {{ 2 * [1] }}
{{ 'a' ~ 1 ~ none ~ true ~ 1.5 ~ [1] ~ undefined_name }}
{{ 1 ~ 2 }} {{ 1 ~ 2 * 3 }}
{{ 1 ~ 2 + 3 }}
{{ 1 + 2 ~ 3 }}
{{ 'a' ~ 'b' * 2 }}
{{ 1 + 'a' }}
{{ 'a' + 1 }}
{{ 'a' + none }}
{{ none + 'a' }}
{{ [1] + (2,) }}
{{ [1] + 'a' }}
{{ 1 / 0 }}
{{ 1 // 0 }}
{{ 1 % 0 }}
{{ 1.0 / 0 }}
{{ 0 ** -1 }}
{{ 'a' - 'b' }}
{{ 'a' * 1.5 }}
{{ {} + {} }}
{{ -'a' }}
{{ -none }}
{{ 'a' / 2 }}
{{ 1 + undefined_name }}
{{ undefined_name + 1 }}
{{ 'a' + undefined_name }}
{{ undefined_name ~ 'a' }}
{{ undefined_name * 2 }}
{{ -undefined_name }}
{{ 0.1 + 0.7 }} {{ 1e16 + 1 }} {{ 3.0 * 2 }} {{ 10 / 4 }} {{ 1.1 * 3 }} {{ 100 * 1.1 }}
{{ 9007199254740993 / 1 }} {{ 9007199254740993 * 1.0 }}
{{ 4611686018427387904 + 4611686018427387903 }}
{{ 1 if true }}{{ 1 if false }}|
{{ 6 // 4 * 4 + 6 % 4 }} {{ 2 * 3 % 4 }} {{ 100 // 7 // 2 }}
{{ 0.0 % 3 }} {{ -0.0 // 3 }} {{ -1 % 3.0 }} {{ 1e20 % 7 }}
""",
    "comparison": r"""
{{ 1 == 1 }} {{ 1 == 1.0 }} {{ 1 == true }} {{ 0 == false }} {{ '1' == 1 }} {{ none == none }} {{ none == false }} {{ '' == none }}
{{ 1 != 2 }} {{ 'a' != 'a' }} {{ [1] != [1] }}
{{ 1 < 2 }} {{ 2 <= 2 }} {{ 3 > 4 }} {{ 4 >= 4.0 }} {{ 'a' < 'b' }} {{ 'Z' < 'a' }} {{ 'a' < 'aa' }} {{ 'é' > 'z' }}
{{ 1 < 2 < 3 }} {{ 1 < 3 < 2 }} {{ 3 > 2 > 1 }} {{ 1 == 1 == 1 }} {{ 1 < 2 == true }} {{ 1 < 2 > 1 }}
{{ [1, 2] == [1, 2] }} {{ [1, 2] == (1, 2) }} {{ [1, 2] < [1, 3] }} {{ [1] < [1, 2] }} {{ (1, 'a') < (1, 'b') }} {{ [1, 'a'] == [1.0, 'a'] }}
{{ {'a': 1, 'b': 2} == {'b': 2, 'a': 1} }} {{ {'a': 1} == {'a': 2} }} {{ {} == [] }}
{{ range(3) == range(3) }} {{ range(3) == range(0, 3, 1) }} {{ range(3) == [0, 1, 2] }}
{{ undefined_name == undefined_other }} {{ undefined_name == none }} {{ undefined_name == '' }} {{ undefined_name != 1 }}
{{ 'a' < 1 }}
{{ none < 1 }}
{{ [1] < 'a' }}
{{ {} < {} }}
{{ undefined_name < 1 }}
{{ 1 > undefined_name }}
{{ [1, 'a'] < [1, 2] }}
{{ 'a' in 'abc' }} {{ '' in 'abc' }} {{ 'd' in 'abc' }} {{ 'd' not in 'abc' }} {{ 'bc' in 'abc' }}
{{ 1 in [1, 2] }} {{ 1.0 in [1] }} {{ true in [1] }} {{ 'x' in [] }} {{ none in [none] }} {{ [1] in [[1]] }}
{{ 'name' in user }} {{ 'x' in user }} {{ 'x' not in user }} {{ 1 in {1: 2} }} {{ none in user }}
{{ 2 in range(3) }} {{ 3 in range(3) }} {{ 1 in (1, 2) }}
{{ 'x' in undefined_name }} {{ 'x' not in undefined_name }}
{{ ('name', 'Bob') in user.items() }} {{ 'Bob' in user.values() }} {{ 'age' in user.keys() }}
{{ undefined_name in [1] }} {{ undefined_name in [undefined_other] }}
{{ 1 in 'abc' }}
{{ none in 'abc' }}
{{ undefined_name in 'abc' }}
{{ 1 in 5 }}
{{ 1 in none }}
{{ [1] in user }}
{{ not true }} {{ not '' }} {{ not not 1 }} {{ not 1 == 2 }} {{ not 'a' in 'b' }}
{{ true and false }} {{ true or false }} {{ 1 and 2 }} {{ 0 and 2 }} {{ 0 or 'x' }} {{ '' or none }} {{ none or '' or [] }}
{{ 1 or undefined_name.x }} {{ 0 and undefined_name.x }}
{{ true or false and false }} {{ (true or false) and false }} {{ not true or true }} {{ not (true or true) }}
{{ 'a' if 1 else 'b' }} {{ 'a' if 0 else 'b' }} {{ 'a' if 0 else 'b' if 0 else 'c' }} {{ ('a' if 0) is defined }}
{{ 1 if 0 else 2 + 3 }} {{ (1 if 1 else 2) + 3 }} {{ 'x' if 'a' in 'abc' and not false else 'y' }}
{{ 'x' ~ ('a' if yes else 'b') }} {{ 'x' ~ 'a' if yes else 'b' }}
{{ [] and 1 }} {{ {} or 1 }} {{ 0.0 or 1 }} {{ () or 1 }} {{ range(0) or 1 }} {{ ' ' or 1 }}
{{ 1 is defined and 1 }} {{ undefined_name is defined or 5 }}
{{ 1 == 1 and 2 == 2 or 3 == 4 }}
{{ 1 <= n <= 5 }} {{ 'a' == 'a' in ['a'] }} {{ 1 in [1] == true }}
{{ 2 - 1 == 1 }} {{ 1 + 1 in [2] }} {{ 'a' ~ 'b' == 'ab' }} {{ -1 < 0 }}
{{ 1 <> 2 }}
{{ 1 = 2 }}
{{ 1 not 2 }}
{{ (0.1 + 0.2) == 0.3 }} {{ 9007199254740993 == 9007199254740992.0 }}
""",
    "access": r"""
{{ user.name }} {{ user['name'] }} {{ user["age"] }} {{ user.address.city }} {{ user['address']['city'] }}
{{ user.missing }}| {{ user['missing'] }}| {{ user.missing is defined }}
{{ user.items }}
{{ user['items'] }} {{ user.items is callable }}
{{ user['keys'] is callable }} {{ user.get('name') }} {{ user.get('x') }} {{ user.get('x', 5) }} {{ user.get('x', none) }}
{{ user.missing.deeper }}
{{ undefined_name.x }}
{{ undefined_name['x'] }}
{{ undefined_name() }}
{{ user.name.missing }}| {{ nothing.x }}| {{ n.x }}| {{ items.x }}| {{ yes.foo }}|
{{ nothing['x'] }}| {{ n['x'] }}| {{ n[0] }}|
{{ items[0] }} {{ items[-1] }} {{ items[2] }} {{ items[3] }}| {{ items[-4] }}| {{ items['0'] }}| {{ items[true] }} {{ items[1.0] }}|
{{ items.0 }} {{ items.1 }} {{ matrix.1.0 }} {{ matrix[1][0] }} {{ users[0].name }} {{ users.0.name }}
{{ name[0] }} {{ name[-1] }} {{ name[5] }}| {{ uni[0] }} {{ uni[2] }} {{ uni[7] }} {{ uni[-1] }}
{{ (1, 2, 3)[1] }} {{ [1, 2][0] }} {{ 'abc'[1] }} {{ {'a': 1}['a'] }} {{ {1: 'x'}[1] }} {{ {1: 'x'}[1.0] }} {{ {none: 1}[none] }}
{{ range(5)[2] }} {{ range(5)[-1] }} {{ range(5)[9] }}|
{{ items[undefined_name] }}|
{{ user[undefined_name] }}|
{{ user[[1]] }}|
{{ user[1:2] }}
{{ items[:] }} {{ items[1:] }} {{ items[:1] }} {{ items[:-1] }} {{ items[-2:] }} {{ items[::-1] }} {{ items[::2] }} {{ items[5:] }} {{ items[-9:2] }}
{{ range(10)[2:8:3] }} {{ range(10)[::-1] }} {{ range(10)[::-2]|list }} {{ range(10)[-3:]|list }} {{ range(10)[8:2:-2]|list }} {{ range(0)[1:]|list }}
{{ 'abcdef'[1:4] }} {{ 'abcdef'[::-1] }} {{ 'abcdef'[-3:] }} {{ 'abcdef'[::2] }} {{ 'abcdef'[4:1:-1] }} {{ 'abcdef'[10:] }}| {{ 'abcdef'[:-10] }}| {{ 'abcdef'[-100:100] }}
{{ uni[1:4] }} {{ uni[::-1] }} {{ uni[-2:] }} {{ uni[7:12] }}
{{ (1, 2, 3)[1:] }} {{ (1, 2, 3)[::-1] }} {{ ()[1:] }}
{{ items[none:none] }} {{ items[:none:2] }} {{ items[true:] }}
{{ items['a':] }}
{{ items[1.0:] }}
{{ items[undefined_name:] }}
{{ user.items()[1:] }}
{{ (items|map('string'))[1:] }}
{{ items[::0] }}
{{ items[1, 2] }}|
{{ items[] }}
{{ nothing[1:] }}
{{ n[:1] }}
{{ undefined_name[1:] }}
{{ messages[0]['content'] }} {{ messages[-1]['content'][1].text }} {{ messages[1:][0].role }} {{ messages[0].role == 'system' }}
{{ ''.__class__ }}| {{ user.__class__ }}| {{ ''._x }}|
{{ ''.__class__() }}
{{ ''.__class__.__mro__ }}
{{ user.update({'a': 1}) }}
{{ items.append(1) }}
{{ items.append }}|{{ user.pop }}|{{ items.append is defined }}
{{ user.copy() == user }} {{ items.copy() }}
{{ items.index(2) }} {{ items.count(1) }} {{ items.index(1, 1) }} {{ (1, 2, 2).count(2) }}
{{ items.index(99) }}
{{ user.keys()|list }} {{ user.values()|list|length }} {{ user.items()|list|first }}
{{ user.keys()[0] }}|
{{ user.keys()|length }} {{ user.items()|length }}
{{ user.tags|join }} {{ user.tags[0] }} {{ user['tags'][1] }}
{{ name.upper() }} {{ name.upper }}
{{ items() }}
{{ name() }}
{{ 5() }}
{{ users[0]['ad' ~ 'min'] }} {{ users[n - 1].name }}
{{ {'a-b': 1}['a-b'] }} {{ {'a': {'b': {'c': [1, [2]]}}}.a.b.c[1][0] }}
{{ user.1 }}|
""",
    "if": r"""
{% if yes %}a{% endif %}{% if no %}b{% endif %}
{% if no %}a{% elif yes %}b{% else %}c{% endif %}
{% if no %}a{% elif no %}b{% else %}c{% endif %}
{% if no %}a{% elif 0 %}b{% elif '' %}c{% elif [] %}d{% elif 'x' %}e{% elif y %}f{% endif %}
{% if undefined_name %}a{% else %}b{% endif %}
{% if nothing is none %}a{% endif %}{% if not nothing %}b{% endif %}
{% if yes %}{% if no %}a{% else %}b{% endif %}{% else %}c{% endif %}
{% if yes %}{% set x = 1 %}{% endif %}{{ x }}
{% if no %}{% set x = 1 %}{% endif %}{{ x }}|
{% set x = 0 %}{% if no %}{% set x = 1 %}{% endif %}{{ x }}
{% if no %}{% set name = 'changed' %}{% endif %}{{ name }}
{% if yes %}{% set name = 'changed' %}{% endif %}{{ name }}
{% if 1, 2 %}tuple{% endif %}
{% if (1 if yes else 0) %}a{% endif %}
{% if yes: %}colon{% endif %}
{% if yes %}
{% if yes %}{% else %}{% else %}{% endif %}
{% endif %}
{% if %}{% endif %}
{% if yes %}a{% endfor %}
{% if messages[0]['role'] == 'system' %}{{ messages[0]['content'] }}{% else %}none{% endif %}
{% if messages[0].role != 'user' and messages|length > 3 or no %}a{% endif %}
{% if (messages[1].role == 'user') != (1 % 2 == 0) %}a{% endif %}
{% if not messages[2].tool_calls %}a{% endif %}{% if messages[2].tool_calls is defined %}b{% endif %}
""",
    "for": r"""
{% for i in items %}{{ i }},{% endfor %}
{% for i in items %}{{ loop.index }}{{ loop.index0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.revindex }}{{ loop.revindex0 }} {% endfor %}
{% for i in items %}{{ loop.previtem }}<{{ i }}>{{ loop.nextitem }} {% endfor %}
{% for i in items %}{{ loop.cycle('a', 'b') }}{{ loop.depth }}{{ loop.depth0 }} {% endfor %}
{% for i in [1, 1, 2, 2, 1] %}{{ loop.changed(i) }} {% endfor %}
{% for i in [] %}{{ i }}{% else %}empty{% endfor %}
{% for i in items %}{{ i }}{% else %}empty{% endfor %}
{% for i in undefined_name %}x{% else %}empty{% endfor %}
{% for i in nothing %}x{% endfor %}
{% for i in 5 %}x{% endfor %}
{% for c in 'aé😀' %}{{ c }}-{% endfor %}
{% for k in user %}{{ k }} {% endfor %}
{% for k, v in user.items() %}{{ k }}={{ v }};{% endfor %}
{% for k, v in user|items %}{{ k }};{% endfor %}
{% for k, v in user|dictsort %}{{ k }};{% endfor %}
{% for a, b in matrix %}{{ a }}{{ b }};{% endfor %}
{% for (a, b) in matrix %}{{ a }}{{ b }};{% endfor %}
{% for a, (b, c) in [[1, [2, 3]]] %}{{ a }}{{ b }}{{ c }}{% endfor %}
{% for a, b in [1, 2] %}{% endfor %}
{% for a, b in [[1, 2, 3]] %}{% endfor %}
{% for a, b, c in [[1, 2]] %}{% endfor %}
{% for a, b in ['xy', 'zw'] %}{{ b }}{{ a }}{% endfor %}
{% for i in range(3) %}{{ i }}{% endfor %} {% for i in range(3, 0, -1) %}{{ i }}{% endfor %} {% for i in range(0) %}x{% endfor %}
{% for i in range(10) if i is odd %}{{ loop.index }}:{{ i }}/{{ loop.length }} {% endfor %}
{% for m in messages if m.role == 'user' %}{{ loop.first }}{{ m.content }}{% else %}none{% endfor %}
{% for m in messages if m.role == 'x' %}{{ m.content }}{% else %}none{% endfor %}
{% for i in items if i > n %}x{% else %}y{% endfor %}
{% for i in 1, 2, 3 %}{{ i }}{% endfor %}
{% for i in (1, 2) %}{{ i }}{% endfor %}
{% for i in items %}{% for k in items %}{{ i * k }} {% endfor %}{{ loop.index }}|{% endfor %}
{% for i in items %}{% set outer = loop %}{% for k in 'ab' %}{{ outer.index }}{{ loop.index }}{{ k }} {% endfor %}{% endfor %}
{% for i in items %}{% set x = i %}{% endfor %}{{ x }}|
{% set x = 0 %}{% for i in items %}{% set x = x + i %}{{ x }} {% endfor %}{{ x }}
{% set ns = namespace(x=0) %}{% for i in items %}{% set ns.x = ns.x + i %}{% endfor %}{{ ns.x }}
{% for i in items %}{% if i == 1 %}{% continue %}{% endif %}{{ i }}{% endfor %}
{% for i in items %}{% if i == 1 %}{% break %}{% endif %}{{ i }}{% endfor %}
{% for i in items %}{% if i == 3 %}{% break %}{% endif %}{% else %}never or ever{% endfor %}
{% for i in items %}{% continue %}{% else %}else{% endfor %}
{% for i in items %}{% for k in items %}{% if k == i %}{% break %}{% endif %}{{ i }}{{ k }} {% endfor %}{% endfor %}
{% for i in items %}{{ i }}{% if loop.index == 2 %}{% break %}{% endif %}{% endfor %} after
{% break %}
{% if yes %}{% continue %}{% endif %}
{% for i in items %}{{ name }}{% endfor %}
{% for name in items %}{{ name }}{% endfor %}{{ name }}
{% for i in items|sort %}{{ i }}{% endfor %} {% for i in items|reverse %}{{ i }}{% endfor %}
{% for i in items[1:] %}{{ i }}{% endfor %} {% for i in items[::-1] %}{{ i }}{% endfor %}
{% for m in messages %}{{ loop.index0 % 2 == 0 }}{% endfor %}
{% for m in messages[::-1] %}{{ (messages|length - 1) - loop.index0 }}{{ m.role[0] }} {% endfor %}
{% for i in range(100001) %}{% endfor %}
{% for i in items %}{{ loop }}{% endfor %}
{{ loop }}| {{ loop.index }}
{% for loop in items %}{% endfor %}
{% for i in items %}{% macro m() %}{{ i }}{% endmacro %}{{ m() }}{% endfor %}
{% for x in [1, [2, [3]]] recursive %}{{ x if x is integer else loop(x) }},{% endfor %}
{% for x in [{'n': 1, 'c': [{'n': 2}]}, {'n': 3}] recursive %}{{ x.n }}{{ loop.depth }}{% if x.c %}({{ loop(x.c) }}){% endif %}{% endfor %}
{% for i in items %}{{ loop(items) }}{% endfor %}
{% for i in items|map('string') %}{{ i }}{{ loop.length }}{{ loop.last }}{% endfor %}
{% for a in [1,2] %}{% for b in [3,4] if b > a + 2 %}{{ a }}{{ b }} {% else %}- {% endfor %}{% endfor %}
{% for i in items %}{% set n = 9 %}{% endfor %}{{ n }}
{% for i in {'a': 1, 'b': 2} %}{{ i }}{% endfor %}
{% for k, v in {'a': 1, 'b': 2}.items() %}{{ k }}{{ v }}{{ ',' if not loop.last }}{% endfor %}
{% for i in items %}{{ undefined_name }}{% endfor %}|
{% for x.y in items %}{% endfor %}
{% for in items %}{% endfor %}
{% for i items %}{% endfor %}
{% for i in %}{% endfor %}
{% for i in items %}{% endif %}
{% for i in items %}
{% for 1 in items %}{% endfor %}
""",
    "set": r"""
{% set x = 1 %}{{ x }}
{% set x = 1 %}{% set x = x + 1 %}{{ x }}
{% set a, b = 1, 2 %}{{ a }}{{ b }}
{% set a, b = b, a %}{{ a }}{{ b }}|
{% set (a, b) = [3, 4] %}{{ a }}{{ b }}
{% set a, b = 'xy' %}{{ b }}{{ a }}
{% set a, b = [1] %}
{% set x = 1, 2 %}{{ x }}
{% set x %}block {{ name }}{% endset %}{{ x }}{{ x|length }}
{% set x | upper %}block {{ name }}{% endset %}{{ x }}
{% set x | trim | replace('b', 'c') %}  block  {% endset %}[{{ x }}]
{% set x %}{% set y = 1 %}{{ y }}{% endset %}{{ x }}{{ y }}|
{% set ns = namespace() %}{% set ns.a = 1 %}{{ ns.a }}{{ ns.b }}|{{ ns.b is defined }}
{% set ns = namespace(a=1, b=[]) %}{% set ns.a = ns.a + 1 %}{{ ns.a }}{{ ns.b }}
{% set ns = namespace({'a': 1}, b=2) %}{{ ns.a }}{{ ns.b }}
{% set ns = namespace(found=false) %}{% for i in items %}{% if i == 1 %}{% set ns.found = true %}{% endif %}{% endfor %}{{ ns.found }}
{% set ns = namespace(l=[]) %}{% for i in items %}{% set ns.l = ns.l + [i * 2] %}{% endfor %}{{ ns.l }}
{% set ns = namespace(s='') %}{% for i in items %}{% set ns.s = ns.s ~ i %}{% endfor %}{{ ns.s }}
{% set ns = namespace(a=1) %}{% macro m() %}{% set ns.a = 5 %}{% endmacro %}{{ m() }}{{ ns.a }}
{% set ns = namespace(a=1) %}{% set ns.x %}body{% endset %}{{ ns.x }}
{% set ns = namespace(a=1, b=2) %}{% set ns.a, ns.b = ns.b, ns.a %}{{ ns.a }}{{ ns.b }}
{% set user.name = 'x' %}
{% set undefined_name.x = 1 %}
{% set ns = namespace(_a=1) %}
{% set ns = namespace() %}{% set ns._x = 1 %}
{% set name = name ~ '!' %}{{ name }}
{% set messages = messages[1:] %}{{ messages|length }}
{% set loop_messages = messages %}{% for m in loop_messages %}{{ m.role }} {% endfor %}
{% set true = 1 %}
{% set x == 1 %}
{% set x %}
{% set 1 = 2 %}
{% set items[0] = 2 %}
{% set x = %}
{% set x = 1 if no else 2 %}{{ x }}
{% set x = [] %}{% set x = x + [1] %}{{ x }}
{% set x = {'a': 1} %}{{ x.a }}{% set x = dict(x, b=2) %}{{ x }}
{% set x = undefined_name %}{{ x is defined }}
{% if 'y' %}{% set x = 'set' %}{% endif %}{% for i in [1] %}{{ x }}{% set x = 'in' %}{{ x }}{% endfor %}{{ x }}
{% with %}{% set x = 1 %}{{ x }}{% endwith %}{{ x }}|
{% with a = 1, b = 2 %}{{ a }}{{ b }}{% endwith %}{{ a }}|
{% set a = 5 %}{% with a = 1, b = a %}{{ a }}{{ b }}{% endwith %}{{ a }}
{% with a, b = 1 %}{% endwith %}
{% filter upper %}text {{ name }}{% endfilter %}
{% filter trim | replace('x', 'y') %}  xx  {% endfilter %}|
{% filter indent(2) %}a
b{% endfilter %}
{{ dict() }} {{ dict(a=1, b='x') }} {{ dict({'a': 1}, b=2) }} {{ dict([['k', 'v']]) }}
{% set d = dict(a=1) %}{{ d.a }} {{ d['a'] }} {{ d == {'a': 1} }}
{{ dict(1) }}
{{ namespace(1) }}
{% set x = namespace(y=namespace(z=1)) %}{{ x.y.z }}
{% do items.append(1) %}
{% include 'x' %}
{% import 'x' as y %}
{% extends 'x' %}
{% unknown %}
{% endset %}
{% print name %}
""",
    "macro": r"""
{% macro m() %}x{% endmacro %}{{ m() }}{{ m() }}
{% macro m(a) %}[{{ a }}]{% endmacro %}{{ m(1) }}{{ m() }}{{ m(a=2) }}{{ m('x') | upper }}
{% macro m(a, b=2) %}{{ a }}{{ b }}{% endmacro %}{{ m(1) }} {{ m(1, 3) }} {{ m(b=4, a=5) }} {{ m(1, b=6) }}
{% macro m(a, b=a) %}{{ a }}{{ b }}{% endmacro %}{{ m(1) }}
{% macro m(a='x', b=[]) %}{{ a }}{{ b }}{% endmacro %}{{ m() }}{{ m(none, none) }}
{% macro m(a) %}{{ a is defined }}{% endmacro %}{{ m() }}{{ m(1) }}
{% macro m(a) %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, 2, 3, x=4) }}
{% macro m(a) %}{% endmacro %}{{ m(1, 2) }}
{% macro m(a) %}{% endmacro %}{{ m(b=1) }}
{% macro m(a) %}{% endmacro %}{{ m(1, a=1) }}
{% macro m(a=1, b) %}{% endmacro %}
{% macro m() %}{{ name }}{{ x }}{% endmacro %}{% set x = 1 %}{{ m() }}
{% set x = 1 %}{% macro m() %}{% set x = 2 %}{{ x }}{% endmacro %}{{ m() }}{{ x }}
{% macro m(n) %}{{ n }}{% if n > 0 %}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(3) }}
{% macro a() %}a{{ b() }}{% endmacro %}{% macro b() %}b{% endmacro %}{{ a() }}
{% macro m() %}{{ caller() }}{% endmacro %}{% call m() %}body {{ name }}{% endcall %}
{% macro m(x) %}{{ caller(x, 2) }}{% endmacro %}{% call(a, b) m(1) %}{{ a }}{{ b }}{% endcall %}
{% macro m() %}x{% endmacro %}{% call m() %}body{% endcall %}
{% macro m() %}{{ caller is defined }}{% endmacro %}{{ m() }}
{% macro m() %}{% for i in items %}{{ caller(i) }}{% endfor %}{% endmacro %}{% call(i) m() %}<{{ i }}>{% endcall %}
{% macro m(d) %}{% for k, v in d.items() %}{{ k }}:{{ v }};{% endfor %}{% endmacro %}{{ m({'a': 1}) }}{{ m({}) }}
{% macro m() %}  spaced  {% endmacro %}[{{ m() }}][{{ m()|trim }}]
{% macro m() -%}
  x
{%- endmacro %}[{{ m() }}]
{{ m() }}{% macro m() %}x{% endmacro %}
{% macro m() %}x{% endmacro %}{{ m }}
{% macro m() %}x{% endmacro %}{{ m.name }} {{ m is callable }} {{ m() is string }}
{% macro outer() %}{% macro inner() %}i{% endmacro %}{{ inner() }}{% endmacro %}{{ outer() }}
{% macro m(*a) %}{% endmacro %}
{% macro m %}{% endmacro %}
{% macro m() %}
{% macro m(a, a2=1, a3=2) %}{{ a }}{{ a2 }}{{ a3 }}{% endmacro %}{{ m(*[1, 2], **{'a3': 3}) }}
{% macro m(a) %}{{ a }}{% endmacro %}{% set f = m %}{{ f(1) }}{% for g in [m, m] %}{{ g(2) }}{% endfor %}
{% macro render(content) %}{%- if content is string %}{{- content }}{%- else %}{%- for c in content %}{{- c if c is string else c.text }}{%- endfor %}{%- endif %}{% endmacro %}{% for m in messages %}{{ render(m.content) }}|{% endfor %}
{% macro m(x) %}{% if x > 0 %}{{ x }}{{ m(x - 1) }}{% endif %}{% endmacro %}{{ m(5) | length }}
{% macro json(x, indent=none) %}{{ x|tojson }}{% endmacro %}{{ json({'a': [1]}) }}
{% call name() %}{% endcall %}
{% call 5 %}{% endcall %}
{% macro m() %}{{ kwargs }}{% endmacro %}{{ m(a=1, b=2) }}
{% macro m() %}{{ varargs|join('-') }}{% endmacro %}{{ m(1, 'b') }}
{% macro m(x) %}{{ x }}{% endmacro %}{{ m(m) }}
{% macro inf() %}{{ inf() }}{% endmacro %}{{ inf() }}
""",
    "filters": r"""
{{ text | trim }}| {{ 'xxaxx' | trim('x') }} {{ 5 | trim }} {{ none | trim }} {{ undefined_name | trim }}|
{{ name | upper }} {{ name | lower }} {{ uni | upper }} {{ uni | lower }} {{ 5 | upper }} {{ none | lower }} {{ true | upper }}
{{ 'hello world' | capitalize }} {{ 'HELLO wORLD' | capitalize }} {{ '' | capitalize }}|
{{ 'hello world' | title }} {{ "it's a dog's life-story (yes)" | title }} {{ 'foo_bar [x] {y} <z>' | title }} {{ 'éa ßb' | title }}
{{ items | length }} {{ name | length }} {{ user | length }} {{ uni | length }} {{ '' | length }} {{ undefined_name | length }} {{ items | count }} {{ range(5) | length }}
{{ nothing | length }}
{{ 5 | length }}
{{ items | map('string') | length }}
{{ items | join }} {{ items | join(', ') }} {{ items | join(1) }} {{ users | join(',', attribute='name') }} {{ 'abc' | join('-') }} {{ user | join('.') }} {{ undefined_name | join }}| {{ [1, none, true, 'x', undefined_name] | join('/') }}
{{ 5 | join }}
{{ items | first }} {{ items | last }} {{ name | first }} {{ name | last }} {{ [] | first }}| {{ '' | last }}| {{ user | first }} {{ range(3) | last }} {{ ([] | first) is defined }}
{{ items | map('string') | first }}
{{ items | map('string') | last }}
{{ undefined_name | default('d') }} {{ nothing | default('d') }} {{ '' | default('d') }}| {{ '' | default('d', true) }} {{ nothing | default('d', true) }} {{ 0 | d(5, boolean=true) }} {{ undefined_name | d }}| {{ user.x | default([]) }} {{ name | default('d') }} {{ undefined_name | default(none) }}
{{ items | list }} {{ 'abc' | list }} {{ user | list }} {{ (1, 2) | list }} {{ range(3) | list }} {{ undefined_name | list }}
{{ none | list }}
{{ user | items | list | length }} {{ undefined_name | items | list }}
{{ items | items }}
{{ [1] | items | list }}
{{ items | map('string') | list }} {{ words | map('upper') | join(' ') }} {{ users | map(attribute='name') | list }} {{ users | map(attribute='missing') | list }} {{ users | map(attribute='missing', default='?') | join }} {{ matrix | map('first') | list }} {{ matrix | map(attribute=1) | list }} {{ users | map(attribute='name') | map('lower') | join(',') }} {{ words | map('replace', 'p', 'q') | list }} {{ items | map('default', 1) | list }}
{{ [user] | map(attribute='address.city') | list }} {{ [matrix] | map(attribute='1.0') | list }}
{{ none | map('upper') | list }} {{ [] | map('nothing') | list }}
{{ items | map | list }}
{{ items | map('no_such_filter') | list }}
{{ items | select | list }} {{ [0, 1, '', 'a', none] | select | list }} {{ items | select('odd') | list }} {{ items | select('greaterthan', 1) | list }} {{ items | select('in', [1, 2]) | list }} {{ items | select('==', 2) | list }} {{ words | select('equalto', 'fig') | list }} {{ mixed | select('string') | list }}
{{ items | reject('odd') | list }} {{ [0, 1, none] | reject | list }} {{ items | reject('divisibleby', 3) | list }}
{{ users | selectattr('admin') | map(attribute='name') | list }} {{ users | selectattr('age', 'equalto', 30) | map(attribute='name') | list }} {{ users | selectattr('admin', 'defined') | list | length }} {{ messages | selectattr('role', 'in', ['user', 'system']) | list | length }} {{ users | selectattr('age', '>', 26) | map(attribute='name') | join }}
{{ users | rejectattr('admin') | map(attribute='name') | list }} {{ users | rejectattr('age', 'eq', 30) | map(attribute='name') | list }} {{ messages | rejectattr('role', 'equalto', 'system') | map(attribute='role') | list }}
{{ items | select('no_such_test') | list }}
{{ users | selectattr | list }}
{{ items | string }} {{ 5 | string }} {{ none | string }} {{ 1.0 | string ~ 'x' }} {{ user | string | length }} {{ undefined_name | string }}|
{{ '42' | int }} {{ '42.9' | int }} {{ 'x' | int }} {{ 'x' | int(7) }} {{ 3.9 | int }} {{ -3.9 | int }} {{ '0x1f' | int(0, 16) }} {{ '1f' | int(base=16) }} {{ '101' | int(base=2) }} {{ true | int }} {{ none | int }} {{ [] | int(9) }} {{ ' 12 ' | int }} {{ '1_000' | int }} {{ '1e3' | int }} {{ '' | int }} {{ '-5' | int }} {{ 'inf' | int }} {{ '0b11' | int(0, 0) }} {{ '+7' | int }}
{{ '1.5' | float }} {{ '2' | float }} {{ 'x' | float }} {{ 'x' | float(1.5) }} {{ 3 | float }} {{ true | float }} {{ none | float }} {{ '1e3' | float }} {{ ' 2.5 ' | float }} {{ 'inf' | float }} {{ '-nan' | float }} {{ '.5' | float }} {{ '5.' | float }} {{ '1_0.5' | float }} {{ '1e' | float }}
{{ undefined_name | int }}
{{ undefined_name | float }}
{{ 'aXbX' | replace('X', '-') }} {{ 'aaa' | replace('a', 'b', 2) }} {{ 'abc' | replace('', '-') }} {{ 5 | replace(5, 6) }} {{ 'abc' | replace('x', 'y') }} {{ 'aa' | replace('aa', '') }}| {{ 'a.b' | replace('.', '\n') | tojson }} {{ 'abc' | replace('', '-', 2) }} {{ 'éé' | replace('', '.') }}
{{ 'abc' | replace('a') }}
{{ '<b>' | safe }} {{ '<b>' | escape }} {{ '<b>' | e }} {{ "&\"'" | e }} {{ ('<b>' | e) | e }} {{ ('<b>' | e) | forceescape }} {{ 5 | e }} {{ none | safe }}
{{ '<i>' + ('<b>' | safe) }} {{ ('<b>' | safe) + '<i>' }} {{ '<i>' ~ ('<b>' | safe) }} {{ ('<b>' | safe) is string }} {{ ('<b>' | safe) == '<b>' }} {{ ('<b>' | safe) | upper }} {{ ('<b>' | safe).upper() + '<' }} {{ [('<b>' | safe)] }}
{{ 'a\nb\n\nc' | indent }} {{ 'a\nb' | indent(2) }} {{ 'a\nb' | indent(2, true) }} {{ 'a\n\nb' | indent(2, blank=true) }} {{ 'a\nb' | indent('> ') }} {{ 'a\nb\n' | indent(2) }}| {{ '' | indent }}| {{ 'x' | indent(first=true) }} {{ 'a\r\nb\u2028c' | indent(1) }}
{{ 5 | indent }}
{{ items | reverse | list }} {{ 'abc' | reverse }} {{ uni | reverse }} {{ user | reverse | list }} {{ (1, 2) | reverse | list }} {{ range(3) | reverse | list }}
{{ items | sort }} {{ items | sort(reverse=true) }} {{ words | sort }} {{ words | sort(case_sensitive=true) }} {{ words | sort(true) }} {{ users | sort(attribute='age') | map(attribute='name') | list }} {{ users | sort(attribute='age,name') | map(attribute='name') | list }} {{ users | sort(attribute='name', reverse=true) | map(attribute='name') | list }} {{ 'bca' | sort }} {{ user | sort }} {{ [1, 2.5, true, 0] | sort }} {{ [[2, 1], [1, 2]] | sort }} {{ ['b', 'B', 'a', 'A'] | sort(reverse=true) }}
{{ mixed | sort }}
{{ [none, 1] | sort }}
{{ [1, 2, 1, 1.0, true, 'a', 'A'] | unique | list }} {{ ['a', 'A'] | unique(true) | list }} {{ users | unique(attribute='city') | map(attribute='city') | list }} {{ 'abca' | unique | join }}
{{ [[1], [1]] | unique | list }}
{{ items | min }} {{ items | max }} {{ words | min }} {{ words | max }} {{ users | max(attribute='age') }} {{ [] | min }}| {{ ['b', 'A'] | min }} {{ ['b', 'A'] | min(true) }} {{ [3, 1.5] | min }}
{{ ['a', 1] | min }}
{{ items | sum }} {{ users | sum(attribute='age') }} {{ items | sum(start=10) }} {{ [] | sum }} {{ [1.5, 2] | sum }} {{ [[1], [2]] | sum(start=[]) }}
{{ ['a'] | sum }}
{{ 3.7 | abs }} {{ -3 | abs }} {{ -2.5 | abs }} {{ (-3) | abs }} {{ true | abs }} {{ (0 - 4) | abs }}
{{ 'a' | abs }}
{{ 42.55 | round }} {{ 42.55 | round(1) }} {{ 42.55 | round(1, 'floor') }} {{ 42.51 | round(method='ceil') }} {{ 2.5 | round }} {{ 3.5 | round }} {{ -2.5 | round }} {{ 0.5 | round }} {{ 42 | round }} {{ 42 | round(1) }} {{ 1234 | round(-2) }} {{ 1250 | round(-2) }} {{ 1350 | round(-2) }} {{ 1234.5 | round(-2) }} {{ 2.675 | round(2) }} {{ 1.005 | round(2) }} {{ 42 | round(0, 'floor') }} {{ 42.7 | round | int }} {{ true | round }} {{ -1250 | round(-2) }}
{{ 'a' | round }}
{{ 1 | round(1, 'up') }}
{{ user | dictsort | map('first') | list }} {{ {'b': 1, 'A': 2, 'c': 0} | dictsort }} {{ {'b': 1, 'A': 2, 'c': 0} | dictsort(true) }} {{ {'b': 1, 'A': 2, 'c': 0} | dictsort(false, 'value') }} {{ {'b': 1, 'A': 2, 'c': 0} | dictsort(reverse=true) }} {{ {} | dictsort }}
{{ items | dictsort }}
{{ {'a': 1} | dictsort(by='x') }}
{{ [1, 2, 3, 4, 5] | batch(2) | list }} {{ [1, 2, 3] | batch(2, 'x') | list }} {{ [] | batch(2) | list }} {{ [1, 2, 3, 4, 5] | slice(2) | list }} {{ [1, 2, 3, 4, 5] | slice(3, 'x') | list }} {{ [1] | slice(3) | list }}
{% for city, group in users | groupby('city') %}{{ city }}:{{ group | map(attribute='name') | join(',') }};{% endfor %}
{% for g in users | groupby('age') %}{{ g.grouper }}={{ g.list | length }};{% endfor %}{{ users | groupby('admin', default=false) | map('first') | list }}
{{ 'a b  c' | wordcount }} {{ "it's é_x 5" | wordcount }} {{ '' | wordcount }}
{{ 'foo bar baz qux' | truncate(9) }} {{ 'foo bar baz qux' | truncate(9, true) }} {{ 'foo bar baz qux' | truncate(11) }} {{ 'foo bar baz qux' | truncate(11, false, '...', 0) }} {{ 'short' | truncate }} {{ 'abcdefghijklm' | truncate(5, end='') }}
{{ 'x' | center(5) }}| {{ 'ab' | center(5) }}| {{ 'ab' | center(7) }}| {{ 'abc' | center(6) }}| {{ 'abc' | center(2) }}|
{{ user | attr('name') }}| {{ name | attr('upper') is callable }} {{ user | attr('items') is callable }} {{ user | attr('zzz') is defined }}
{{ '%s is %d' | format(name, n) }} {{ '%(a)s' | format(a=1) }} {{ '%s' | format(none) }}
{{ '%s' | format }}
{{ '%s' | format(1, 2) }}
{{ name | no_such_filter }}
{{ name | upper | lower | trim | length }}
{{ name|upper~'x' }} {{ name ~ 'x'|upper }} {{ 1 + '2'|int }} {{ -1|abs }} {{ - 1 | abs }} {{ 2 ** -1|abs }} {{ (1,2)|length }} {{ 'a,b'.split(',')|last }}
{{ name | upper() }} {{ undefined_name | default(default_value='x') }}
{{ name | default(value='x') }}
{{ items | first | string | length }}
{{ not items | length > 2 }} {{ items | length == 3 and 'yes' }} {{ messages | length - 1 }} {{ (messages|length) - 1 }}
{{ name is string | upper }}
{{ {'a': 1} | length }} {{ [1, 2] | last + 1 }}
{{ items | join(d='-') }} {{ items | tojson | length }} {{ '5' | int + 5 }}
{{ name | upper | }}
{{ name | }}
{{ | upper }}
{{ name | upper(1) }}
{{ name | trim(chars='A') }} {{ name | trim(none) }}
{{ name | trim(5) }}
{{ [none, none] | sort }} {{ 'ab' | sort(attribute='x') }} {{ [{'a': 1}] | sort(attribute='b') }}
{{ user | truncate(9) }}
{{ 5 | truncate }}
{{ 'a' | center('x') }}
{{ 'a' | replace('a', 'b', 'c') }}
{{ [1] | sort(reverse='x') }}
{{ 7 | round(none) }} {{ 7.5 | round(none) }}
{{ [1, 2] | map(attribute=none) | list }}
{% filter length %}text{% endfilter %}
{{ (1, 2).copy() }}
{{ 'x' % undefined_name }} {{ [1] <= (items | map('string')) }}
""",
    "tojson": r"""
{{ user | tojson }}
{{ args | tojson }}
{{ uni | tojson }} {{ html | tojson }} {{ text | tojson }}
{{ [] | tojson }} {{ {} | tojson }} {{ [[], {}] | tojson }} {{ (1, 2) | tojson }} {{ '' | tojson }} {{ none | tojson }} {{ true | tojson }} {{ 1.0 | tojson }} {{ 1e20 | tojson }} {{ 1e-7 | tojson }} {{ 1e16 | tojson }} {{ 123456789012 | tojson }}
{{ 1e400 | tojson }} {{ -1e400 | tojson }}
{{ [1, [2, {'a': []}]] | tojson(indent=2) }}
{{ user | tojson(indent=4) }}
{{ {'a': {}, 'b': [], 'c': [1]} | tojson(indent=0) }}
{{ [1, 2] | tojson(indent='--') }} {{ [1] | tojson(indent=none) }} {{ [1, 2] | tojson(indent=-1) }}
{{ user | tojson(separators=(',', ':')) }} {{ [1, 2] | tojson(separators=[';', '='], indent=1) }}
{{ {'b': 1, 'a': {'d': 1, 'c': 2}} | tojson(sort_keys=true) }} {{ {'b': 1, 'a': 2} | tojson }}
{{ uni | tojson(ensure_ascii=true) }} {{ '\x7f\x80é' | tojson(ensure_ascii=true) }} {{ uni | tojson(true) }}
{{ {1: 'a', 1.5: 'b', none: 'c', true: 'd'} | tojson }} {{ {none: 1, false: 2} | tojson }}
{{ '\x00\x1f\x7f\u2028\\/"' | tojson }}
{{ undefined_name | tojson }}
{{ {'a': undefined_name} | tojson }}
{{ namespace(a=1) | tojson }}
{{ range(3) | tojson }}
{{ items | map('string') | tojson }}
{{ {(1, 2): 1} | tojson }}
{{ user.items() | tojson }}
{{ mixed | tojson }} {{ messages | tojson }}
{{ [0.1, 1/3, 1e300, 5e-324, -0.0, 100.0, 1.5e10] | tojson }}
{{ '"' ~ (user.name | tojson) ~ '"' }} {{ {'a': '<b>'} | tojson | safe }} {{ user | tojson | length }} {{ (1 | tojson) + 'x' }}
{{ user.address | tojson(indent=2) | indent(4) }}
{{ [1] | tojson(bad=1) }}
""",
    "tests": r"""
{{ name is defined }} {{ undefined_name is defined }} {{ nothing is defined }} {{ user.x is defined }} {{ user.name is defined }} {{ name is not defined }} {{ undefined_name is undefined }} {{ not undefined_name is defined }}
{{ nothing is none }} {{ name is none }} {{ undefined_name is none }} {{ name is not none }} {{ nothing is not none }}
{{ name is string }} {{ 5 is string }} {{ ('x'|safe) is string }} {{ undefined_name is string }} {{ nothing is string }}
{{ user is mapping }} {{ items is mapping }} {{ namespace() is mapping }} {{ dict() is mapping }} {{ name is mapping }}
{{ items is sequence }} {{ name is sequence }} {{ user is sequence }} {{ (1,) is sequence }} {{ range(2) is sequence }} {{ 5 is sequence }} {{ nothing is sequence }} {{ undefined_name is sequence }} {{ user.items() is sequence }} {{ items|map('string') is sequence }}
{{ items is iterable }} {{ name is iterable }} {{ user is iterable }} {{ 5 is iterable }} {{ undefined_name is iterable }} {{ nothing is iterable }} {{ user.items() is iterable }} {{ items|map('string') is iterable }} {{ yes is iterable }}
{{ 5 is number }} {{ 5.0 is number }} {{ yes is number }} {{ '5' is number }} {{ nothing is number }}
{{ 5 is integer }} {{ 5.0 is integer }} {{ yes is integer }} {{ 5 is float }} {{ 5.0 is float }} {{ yes is boolean }} {{ 1 is boolean }} {{ no is boolean }} {{ nothing is boolean }}
{{ yes is true }} {{ 1 is true }} {{ no is false }} {{ 0 is false }} {{ yes is not false }} {{ undefined_name is false }} {{ undefined_name is true }} {{ yes is sameas true }} {{ 1 is sameas true }}
{{ 1 is odd }} {{ 2 is odd }} {{ 2 is even }} {{ -1 is odd }} {{ -2 is even }} {{ 2.0 is even }} {{ 10 is divisibleby 5 }} {{ 10 is divisibleby(3) }} {{ 10 is not divisibleby 3 }}
{{ 1 is eq 1 }} {{ 1 is equalto 1.0 }} {{ 1 is ne 2 }} {{ 1 is lt 2 }} {{ 1 is le 1 }} {{ 1 is gt 0 }} {{ 1 is ge 1 }} {{ 'a' is eq('a') }} {{ 2 is greaterthan 1 }} {{ 1 is lessthan 1 }} {{ name is eq 'Ada' }} {{ items is eq [3, 1, 2] }} {{ user is eq {} }}
{{ 1 is in [1, 2] }} {{ 'x' is in 'xyz' }} {{ 1 is not in [1] }} {{ 'name' is in user }} {{ 3 is in(items) }}
{{ 'abc' is lower }} {{ 'ABC' is upper }} {{ 'Abc' is lower }} {{ '1' is lower }} {{ 'a1' is lower }} {{ 'É' is upper }} {{ 5 is lower }} {{ none is upper }}
{{ 'upper' is filter }} {{ 'nope' is filter }} {{ 'odd' is test }} {{ 'nope' is test }}
{{ range is callable }} {{ name.upper is callable }} {{ name is callable }} {{ undefined_name is callable }}
{{ ('x'|safe) is escaped }} {{ 'x' is escaped }}
{{ items is sameas items }} {{ none is sameas none }} {{ nothing is sameas none }} {{ [] is sameas [] }}
{{ name is no_such_test }}
{{ 'a' is odd }}
{{ undefined_name is odd }}
{{ 1 is divisibleby }}
{{ 1 is divisibleby 0 }}
{{ 1 is }}
{{ 1 is defined is string }}
{{ 1 is defined and 2 is defined }} {{ 1 is string or 2 is number }} {{ 'x' if name is defined else 'y' }} {{ 'x' if name is not string else 'y' }}
{{ name is defined and name is not none and name }} {{ (name is defined) == true }} {{ name is string == true }} {{ [1, 2] is iterable and [1] is not string and {} is mapping }}
{{ messages[0].content is string }} {{ messages[3].content is string }} {{ messages[3].content is iterable and messages[3].content is not mapping }} {{ messages[0]['x'] is defined }}
{{ 1 + 1 is odd }} {{ (1 + 1) is odd }} {{ -1 is odd }} {{ not 1 is odd }} {{ 1 is odd and 2 is even }} {{ 5 is divisibleby 2 + 3 }}
{{ user.name is defined }} {{ user.name.x is defined }} {{ user['a'] is undefined }}
{{ user.a.b is defined }}
{{ 1 is not number }} {{ not 1 is not number }} {{ name is eq name }} {{ n is eq user.age }} {{ n is lt items[0] }} {{ n is le (items|length) }}
{{ n is le items|length }}
{{ 1 is none }}{{ none is none }}{% if nothing is none %}x{% endif %}{% if tools is not none and tools is defined %}t{% endif %}
""",
    "strings": r"""
{{ text.strip() }}| {{ text.lstrip() }}| {{ text.rstrip() }}| {{ 'xxaxx'.strip('x') }} {{ 'xyaxy'.lstrip('yx') }} {{ 'ééaé'.strip('é') }} {{ 'abc'.strip('') }} {{ ' a '.strip(none) }}| {{ '\u00a0\u2003a\x1c\x85'.strip() }}| {{ '\u200ba'.strip()|length }}
{{ 'a,b,,c'.split(',') }} {{ 'a b  c '.split() }} {{ 'a b  c '.split(' ') }} {{ 'a,b,c'.split(',', 1) }} {{ ''.split() }} {{ ''.split(',') }} {{ 'abc'.split('x') }} {{ ' a b c '.split(none, 1) }} {{ 'a,b,c'.split(',', -1) }} {{ 'a--b'.split('--') }} {{ 'a,b'.split(sep=',') }} {{ 'a b c'.split(maxsplit=1) }} {{ 'a\u2003b\nc'.split() }} {{ 'aXbXc'.split('X', 0) }}
{{ 'a,b,c'.rsplit(',', 1) }} {{ ' a b c '.rsplit(none, 1) }} {{ 'a b c'.rsplit() }} {{ 'a,b,c'.rsplit(',') }} {{ 'aaa'.rsplit('aa') }} {{ ''.rsplit() }} {{ 'abab'.rsplit('ab') }}
{{ 'a'.split('') }}
{{ 'a'.split(5) }}
{{ 'a\nb\r\nc\rd'.splitlines() }} {{ 'a\nb\n'.splitlines() }} {{ 'a\nb'.splitlines(true) }} {{ ''.splitlines() }} {{ 'a\x0bb\x0cc\x1cd\x85e\u2028f'.splitlines() }} {{ '\n\n'.splitlines() }}
{{ 'abc'.startswith('ab') }} {{ 'abc'.endswith('bc') }} {{ 'abc'.startswith(('x', 'a')) }} {{ 'abc'.startswith('') }} {{ 'abc'.startswith('b', 1) }} {{ 'abc'.endswith('b', 0, 2) }} {{ 'abc'.startswith('abcd') }} {{ ''.startswith('') }} {{ 'abc'.startswith('', 4) }} {{ 'é'.endswith('é') }} {{ 'abc'.endswith(()) }}
{{ 'abc'.startswith(1) }}
{{ 'abc'.startswith(['a']) }}
{{ 'abc'.startswith(undefined_name) }}
{{ 'aXbX'.replace('X', 'yy') }} {{ 'aaa'.replace('a', 'b', 2) }} {{ 'abc'.replace('', '-') }} {{ 'abc'.replace('b', '') }} {{ 'aaa'.replace('aa', 'b') }} {{ 'abc'.replace('a', 'x', 0) }} {{ 'ab'.replace('', '-', 1) }}
{{ 'a'.replace('a') }}
{{ 'a'.replace('a', 1) }}
{{ 'Hello World'.upper() }} {{ 'Hello'.lower() }} {{ 'hello world it\'s'.title() }} {{ 'hELLO'.capitalize() }} {{ 'Hello'.swapcase() }} {{ 'Straße'.upper() }} {{ 'Straße'.casefold() }} {{ 'ÀÉ'.lower() }} {{ 'x1y2'.title() }} {{ '3rd'.title() }}
{{ 'hello'.find('l') }} {{ 'hello'.find('x') }} {{ 'hello'.rfind('l') }} {{ 'hello'.index('e') }} {{ 'hello'.rindex('l') }} {{ 'hello'.find('l', 3) }} {{ 'hello'.find('h', 1) }} {{ 'hello'.find('') }} {{ 'hello'.rfind('') }} {{ 'éaé'.find('a') }} {{ 'éaé'.rfind('é') }} {{ 'hello'.find('l', -2) }} {{ 'hello'.find('o', 0, 4) }} {{ 'abc'.find('', 3) }} {{ 'abc'.find('', 4) }} {{ uni.find('日') }}
{{ 'hello'.index('x') }}
{{ 'hello'.count('l') }} {{ 'aaaa'.count('aa') }} {{ 'abc'.count('') }} {{ 'abc'.count('x') }} {{ 'abcabc'.count('a', 1) }} {{ 'éé'.count('') }} {{ 'abab'.count('ab', 0, 3) }}
{{ ','.join(['a', 'b']) }} {{ ''.join([]) }}| {{ '-'.join('abc') }} {{ ', '.join(words) }} {{ '-'.join(user) }} {{ '-'.join(words|map('upper')) }}
{{ ','.join([1]) }}
{{ ','.join(none) }}
{{ 'a=b=c'.partition('=') }} {{ 'a=b=c'.rpartition('=') }} {{ 'abc'.partition('x') }} {{ 'abc'.rpartition('x') }}
{{ 'abc'.removeprefix('a') }} {{ 'abc'.removesuffix('bc') }} {{ 'abc'.removeprefix('x') }} {{ 'abc'.removesuffix('') }}
{{ 'ab'.ljust(4) }}| {{ 'ab'.rjust(4) }}| {{ 'ab'.center(5) }}| {{ 'ab'.center(5, '*') }} {{ 'abc'.center(6, '*') }} {{ 'a'.center(4, '*') }} {{ '5'.zfill(3) }} {{ '-5'.zfill(4) }} {{ '+5'.zfill(2) }} {{ 'abc'.zfill(2) }} {{ 'é'.ljust(3, 'ü') }} {{ ''.zfill(2) }}
{{ 'ab'.ljust(4, 'xx') }}
{{ 'abc'.isalpha() }} {{ 'ab1'.isalnum() }} {{ '123'.isdigit() }} {{ '12a'.isdigit() }} {{ ''.isdigit() }} {{ ' \n'.isspace() }} {{ ''.isspace() }} {{ 'ABC'.isupper() }} {{ 'abc'.islower() }} {{ 'aB'.islower() }} {{ '1'.isupper() }} {{ 'abc'.isascii() }} {{ 'é'.isascii() }} {{ 'é'.isalpha() }} {{ '٣'.isdigit() }} {{ '5'.isdecimal() }} {{ 'a b'.isalpha() }}
{{ name.lower().upper().lower() }} {{ ' a '.strip().upper() }} {{ 'a b'.split()[1].upper() }} {{ 'a'.upper().__len__ }}|
{{ messages[2].content.split('</think>')[-1].lstrip('\n') }} {{ messages[2].content.split('</think>')[0].rstrip('\n').split('<think>')[-1].lstrip('\n') }}
{{ '<tool_response>x'.startswith('<tool_response>') and not ''.endswith('x') }}
{{ 'abc'.upper(1) }}
{{ 'abc'.no_such() }}
{{ 'abc'.encode }}
{{ 'a' 'b'.upper() }} {{ ('a' ~ 'b').upper() }} {{ 'a' ~ 'b'.upper() }}
{{ 'ab' < 'b' }} {{ 'a' * 2 + 'b' }} {{ 'abc'|length }} {{ 'a' in 'cab' }}
{{ 'x'.join(['<b>'|safe, 'y']) }} {{ ('-'|safe).join(['a', 'b']) }}
{{ text.strip }}
{{ 'A-B'.lower().replace('-', '_').split('_')|join('+') }}
""",
    "formats": r"""
{{ '%s and %s' % ('a', 1) }} {{ '%s' % 'x' }} {{ '%d' % 5 }} {{ '%d' % 5.9 }} {{ '%i' % -5 }} {{ '%5d|%-5d|%05d|%+d|% d' % (1, 2, 3, 4, 5) }}
{{ '%f %.2f %10.3f|%-10.1f|%010.2f' % (1.5, 1.005, 2.5, 2.25, -3.14159) }} {{ '%e %.1E %g %G' % (12345.678, 0.00012, 1e10, 1e-10) }} {{ '%g' % 100000 }} {{ '%g' % 1000000 }} {{ '%.3g' % 3.14159 }}
{{ '%x %X %o %#x %#o' % (255, 255, 8, 255, 8) }} {{ '%c%c' % (65, 'b') }} {{ '%%' % () }} {{ '%5s|%-5s|%.2s' % ('ab', 'cd', 'efgh') }} {{ '%r %s' % ('x', none) }} {{ '%s' % [1, 'a'] }} {{ '%s' % {'a': 1} }}
{{ '%(a)s %(b)d' % {'a': 'x', 'b': 2} }} {{ '%(a)5.1f|' % {'a': 1.25} }} {{ '%*d|%.*f' % (5, 1, 2, 3.14159) }} {{ '%s' % (1,) }} {{ '%s' % undefined_name }}| {{ '%.3d' % 5 }} {{ '%5.3d|' % 5 }} {{ '%s' % true }} {{ '%d' % true }} {{ '%5s' % 'é' }}| {{ '%x' % -255 }}
{{ '%s %s' % 'a' }}
{{ '%s' % ('a', 'b') }}
{{ '%d' % 'a' }}
{{ '%q' % 1 }}
{{ '%' % 1 }}
{{ '%(a)s' % 1 }}
{{ '%(a)s' % {} }}
{{ 'x' % 1 }}
{{ 'x' % {} }} {{ 'x' % [] }}
{{ 5 % 'x' }}
{{ '{} {}'.format(1, 'a') }} {{ '{0} {1} {0}'.format('a', 'b') }} {{ '{a} {b}'.format(a=1, b=2) }} {{ '{{}} {}'.format(1) }} {{ '{}'.format(none) }} {{ '{}'.format([1, 'x']) }} {{ '{!r} {!s}'.format('a', 'b') }}
{{ '{:5}|{:<5}|{:>5}|{:^5}|{:*^7}|{:05}'.format(1, 2, 3, 4, 5, 6) }} {{ '{:5}|{:>5}|{:^5}|{:.2}|{:é<4}'.format('a', 'b', 'c', 'defg', 'h') }} {{ '{:+} {: } {:-}'.format(1, 2, 3) }}
{{ '{:.2f} {:10.3f}| {:e} {:g} {:%} {:.1%}'.format(1.005, 2.5, 12345.6789, 0.0001, 0.25, 0.256) }} {{ '{:,} {:_} {:,.2f}'.format(1234567, 1234567, 1234567.891) }} {{ '{:x} {:X} {:o} {:b} {:#x} {:#b} {:c}'.format(255, 255, 8, 5, 255, 5, 65) }} {{ '{:d} {:n}'.format(5, 6) }} {{ '{:=+5}'.format(3) }} {{ '{:.3}'.format(3.14159) }} {{ '{}'.format(1.0) }} {{ '{:08.3f}'.format(-3.14159) }} {{ '{:.0f}'.format(2.5) }}
{{ '{a[x]} {b[0]} {c.name}'.format(a={'x': 1}, b=[2], c=user) }} {{ '{:{}}|'.format('x', 5) }} {{ '{:{w}.{p}f}'.format(3.14159, w=8, p=2) }} {{ '{0[name]}'.format(user) }} {{ '{}'.format(true) }} {{ '{:d}'.format(true) }} {{ '{:5}|'.format(true) }}
{{ '{}'.format() }}
{{ '{a}'.format() }}
{{ '{'.format(1) }}
{{ '}'.format(1) }}
{{ '{:d}'.format('a') }}
{{ '{:d}'.format(1.5) }}
{{ '{:s}'.format(1) }}
{{ '{:5}'.format([1]) }}
{{ '{:zz}'.format(1) }}
{{ '{!x}'.format(1) }}
{{ '{} {0}'.format(1) }}
{{ '{0} {}'.format(1) }}
{{ 'no fields'.format(1, a=2) }} {{ ''.format() }}|
""",
    "functions": r"""
{{ range(5)|list }} {{ range(2, 5)|list }} {{ range(5, 2, -1)|list }} {{ range(0, 10, 4)|list }} {{ range(-3)|list }} {{ range(3)|sum }} {{ range(true)|list }}
{{ range() }}
{{ range('a') }}
{{ range(1.5) }}
{{ range(1, 2, 0) }}
{{ range(1000000) }}
{{ raise_exception('message text') }}
{{ raise_exception() }}
{% if no %}{{ raise_exception('never') }}{% endif %}fine
{{ strftime_now('%Y-%m-%d %H:%M:%S') }} {{ strftime_now('%d %B %Y') }} {{ strftime_now('%b %d, %Y %A %j %%') }} {{ strftime_now('') }}| {{ strftime_now('no fields é') }} {{ strftime_now('%-d') }}
{{ strftime_now() }}
{{ strftime_now(5) }}
{% if strftime_now is defined %}{% set d = strftime_now('%d %b %Y') %}{% else %}{% set d = '26 Jul 2024' %}{% endif %}{{ d }}
{{ dict(a=1).items()|list }} {{ dict(user).name }} {{ dict(zip=1) }}
{% set ns = namespace(is_first=false, count=0) %}{{ ns.is_first }} {{ ns.count }} {{ ns['count'] }} {{ ns.missing is defined }} {{ ns is mapping }}
{{ no_such_function() }}
{{ name.no_such_method() }}
{% set range = 5 %}{{ range }}
{{ dict is callable }} {{ namespace is defined }} {{ raise_exception is defined }} {{ lipsum is none }}
""",
    "generation": r"""
a{% generation %}b{{ name }}{% endgeneration %}c
{% for i in items %}x{% generation %}{{ i }}{% endgeneration %}{% endfor %}
{% generation %}{% set x = 1 %}{{ x }}{% endgeneration %}{{ x }}|
{% set x = 0 %}{% generation %}{% set x = 1 %}{{ x }}{% endgeneration %}{{ x }}
a {%- generation %} b {%- endgeneration %} c
{% for i in items %}{% generation %}{{ loop.index }}{% endgeneration %}{% endfor %}
{% generation %}
{% for i in items %}{% generation %}{% break %}{% endgeneration %}{% endfor %}
{% macro m() %}<{% generation %}in{% endgeneration %}>{% endmacro %}é{{ m() }}
""",
    "limits and odd things": r"""
{{ ((((((((((1)))))))))) }}
{{ [[[[[[[[[[1]]]]]]]]]] }}
{{ 'a' if yes else 'b' if no else 'c' }} {{ ('a' if yes else 'b') ~ 'c' }}
{{ {'a': 1}.a }} {{ {'items': 1}['items'] }} {{ {'get': 5}.get('get') }}
{{ [1, 2, 3][items[1]] }} {{ items[items[1]] }} {{ user[user.tags[0]] }}|
{{ not_defined }} {{ not defined }} {{ notx }}| {{ inx }}| {{ isx }}| {{ orx }}|
{{ and_x or 'x' }} {{ none_x is none }} {{ trueish }}|
{{ 1 .x }}|
{{ 'x'.y.z }}
{{ (1).x }}|
{{ user .name }} {{ user. name }} {{ user [ 'name' ] }} {{ name | upper | lower }} {{ range ( 2 ) }}
{{ "a" "b" 'c' }} {{ "a"
"b" }}
{{ items|length|string + 'x' }} {{ items|length + 1 }}
{{ [x for x in items] }}
{{ lambda: 1 }}
{{ items[0]++ }}
{{ a.b.c.d }}
{{ é }}| {{ ünï }}|
{{ ünï.x }}
{{ _private }}| {{ __x }}|
{{ 1, }} {{ (1) }} {{ 1,2,3 }}
{{ {}|tojson }}{{ {} }}
{{ {'a':1}|tojson }} {{{'a':1}.a}}
{{ -items|length }}
{{ -items[0] }} {{ not items[0] }} {{ -2|abs }} {{ (-2)|abs }} {{ 2**2|string }}
{{ true and 'a' or 'b' }} {{ false and 'a' or 'b' }} {{ none and 1 }} {{ yes and no or nothing }}
{{ 'a' ~ ('b' if no) ~ 'c' }} {{ ['a', 'b' if no]|length }} {{ ('b' if no) }}|
{{ ('b' if no).x }}
{{ ([] | first).x }}
{{ user.tags.0 }} {{ user['tags'].1 }} {{ user.tags.5 }}|
{{ users|map(attribute='name')|join(', ')|upper|replace(',', ';') }} {{ users|map(attribute='age')|sum / users|length }}
{% set gen = items|map('string') %}{{ gen|list }}{{ gen|list }}
{% set gen = items|map('string') %}{{ gen|first }}{{ gen|list }}{% if gen %}true{% endif %}
{% set gen = items|select('odd') %}{{ 3 in gen }}
{% set x = items|map('upper')|join %}{{ x }}
{{ items is defined and items|length > 0 and items[0] == 3 }}
{%- set a = 1 -%}{%- set b = a + 1 -%}{{- a -}}{{- b -}}
""",
}


def split_lines(cases):
    if isinstance(cases, list):
        return cases
    out = []
    for line in cases.strip("\n").split("\n"):
        # A line that does not begin a case continues the one before it.
        if out and CONTINUES.get(out[-1]) is not None and len(out[-1].split("\n")) < CONTINUES[out[-1]]:
            out[-1] += "\n" + line
        else:
            out.append(line)
    return out


# First lines of cases that have more than one line.
CONTINUES = {
    "{% filter indent(2) %}a": 2,
    "{% macro m() -%}": 3,
    "{% macro m() -%}\n  x": 3,
    '{{ "a" "b" \'c\' }} {{ "a"': 2,
}


def render(template):
    try:
        compiled = _compile_jinja_template(template)
        compiled.globals["strftime_now"] = lambda f: datetime.fromtimestamp(NOW, timezone.utc).strftime(f)
        out = compiled.render(**json.loads(json.dumps(VARIABLES)))
        out.encode("utf-8")
        if " at 0x" in out:  # an address differs from run to run: we refuse to print such objects
            return {"t": template, "raises": "address"}
        return {"t": template, "out": out}
    except RecursionError:
        return {"t": template, "raises": "RecursionError"}
    except Exception as e:
        return {"t": template, "raises": type(e).__name__}


def main():
    result = {
        "made_with": {"jinja2": jinja2.__version__, "transformers": transformers.__version__},
        "now": NOW,
        "variables": VARIABLES,
        "cases": {topic: [render(t) for t in split_lines(cases)] for topic, cases in CASES.items()},
    }
    with open(os.path.join(HERE, "language.json"), "w", encoding="utf-8") as f:
        json.dump(result, f, ensure_ascii=False, indent=1)
        f.write("\n")
    n = sum(len(c) for c in result["cases"].values())
    print(n, "cases,", sum("raises" in c for topic in result["cases"].values() for c in topic), "raise")


main()
