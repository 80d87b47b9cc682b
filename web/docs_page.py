"""The page at /docs, made when the program is built: the HTTP API from docs/openapi.yaml, then what
docs/protocol.md and docs/reference.md say to whoever writes a client. Imported by embed.py.
"""

import html
import re
from pathlib import Path

try:
    import markdown
    import yaml
    from markdown.extensions.toc import slugify
except ImportError as missing:
    raise SystemExit(f"{missing}: scripts/install_deps.sh brings what building needs") from None

DOCS = Path(__file__).resolve().parent.parent / "docs"
# Sections that a client's author needs; the rest of the reference is for operators.
REFERENCE = ("Codes", "What a client does", "Headers", "Limits", "SF1 in bytes", "Sockets")
PROTOCOL = ("SF1 over ZeroMQ", "HTTP")
WORDS = {
    "contents": ("On this page", "本页内容"),
    "api": ("HTTP API", "HTTP 接口"),
    "schemas": ("Shapes", "数据结构"),
    "protocol": ("Rules", "规则"),
    "reference": ("Codes and limits", "代码与限制"),
    "parameter": ("Parameter", "参数"),
    "where": ("In", "位置"),
    "member": ("Member", "成员"),
    "type": ("Type", "类型"),
    "about": ("About", "说明"),
    "status": ("Status", "状态码"),
    "body": ("Body", "内容"),
    "asks": ("What is sent", "请求内容"),
    "required": ("required", "必填"),
    "or": ("or", "或"),
    "any": ("anything", "任意"),
    "file": ("The same for programs", "供程序读取的版本"),
    "english": ("", "以下参考资料为英文。"),
    "default": ("else", "其他"),
}


def words(name):
    """A text of the page's own, in both languages; the page shows one of them."""
    english, chinese = WORDS[name]
    shown = f'<span class="en" lang="en">{html.escape(english)}</span>' if english else ""
    return shown + f'<span class="zh" lang="zh-CN">{html.escape(chinese)}</span>'


def inline(text):
    """`code`, *stress* and documents that are below, in a sentence of the description."""
    text = re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(str(text), quote=False))
    text = re.sub(r"\*(\w+)\*", r"<em>\1</em>", text).replace(" beside this file", "")
    return re.sub(r"\b(protocol|reference)\.md\b", r'<a href="#\1">\1</a>', text)


def table(heads, rows):
    """Wider than a small window, it is moved within its own frame."""
    if not rows:
        return ""
    head = "".join(f'<th scope="col">{head}</th>' for head in heads)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return scrolled(f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>")


def scrolled(text):
    return f'<div class="scroll" tabindex="0">{text}</div>'


# --- the API --------------------------------------------------------------------------------------

class Api:
    """What docs/openapi.yaml describes."""

    def __init__(self):
        self.all = yaml.safe_load((DOCS / "openapi.yaml").read_text(encoding="utf-8"))

    def resolved(self, part):
        """What a reference leads to; everything else is itself."""
        while "$ref" in part:
            found = self.all
            for name in part["$ref"].removeprefix("#/").split("/"):
                found = found[name]
            part = found
        return part

    def type_of(self, schema):
        """In a few words, with a link where it has a name and members."""
        if schema is True:
            return words("any")
        if "$ref" in schema:
            name = schema["$ref"].rsplit("/", 1)[1]
            target = self.resolved(schema)
            if "properties" in target or "oneOf" in target or "enum" in target:
                return f'<a href="#shape-{name}">{name}</a>'
            return self.type_of(target)
        if "oneOf" in schema:
            return f" {words('or')} ".join(self.type_of(one) for one in schema["oneOf"])
        if "const" in schema:
            return f"<code>{html.escape(str(schema['const']).lower())}</code>"
        if "enum" in schema:
            return ", ".join(f"<code>{html.escape(str(one))}</code>" for one in schema["enum"])
        if schema.get("type") == "array":
            return f"[ {self.type_of(schema['items'])} ]" + self.bounds(schema)
        kinds = schema.get("type", "object")
        kinds = kinds if isinstance(kinds, list) else [kinds]
        return f" {words('or')} ".join(map(html.escape, kinds)) + self.bounds(schema)

    @staticmethod
    def bounds(schema):
        low = schema.get("minimum", schema.get("minLength", schema.get("minItems")))
        high = schema.get("maximum", schema.get("maxLength", schema.get("maxItems")))
        said = "" if low is high is None else f" {'' if low is None else low}…" + (
            "" if high is None else str(high))
        if "pattern" in schema:
            said += f" <code>{html.escape(schema['pattern'])}</code>"
        if "default" in schema:
            said += f" ({html.escape(str(schema['default']))})"
        return said

    def members(self, schema):
        """The table of an object's members."""
        schema = self.resolved(schema)
        needed = schema.get("required", [])
        rows = [(f"<code>{html.escape(name)}</code>" + (f" · {words('required')}"
                                                        if name in needed else ""),
                 self.type_of(one),
                 inline(one.get("description") or self.resolved(one).get("description", ""))
                 if one is not True else "")
                for name, one in schema.get("properties", {}).items()]
        return table((words("member"), words("type"), words("about")), rows)

    def contents(self, part):
        """(media type, schema) of a body."""
        return [(kind, one.get("schema", {})) for kind, one in part.get("content", {}).items()]

    def answer(self, status, part):
        part = self.resolved(part)
        bodies = []
        for kind, schema in self.contents(part):
            named = "$ref" in schema or "oneOf" in schema
            shape = self.type_of(schema) if named else ", ".join(
                f"<code>{html.escape(name)}</code>" for name in schema.get("properties", {}))
            bodies.append(f"<code>{html.escape(kind)}</code> {shape}")
        heads = ", ".join(f"<code>{html.escape(name)}</code>" for name in part.get("headers", {}))
        about = inline(part.get("description", "")) + (f" {heads}" if heads else "")
        code = words("default") if status == "default" else f"<b>{html.escape(str(status))}</b>"
        return code, about, "<br>".join(bodies)

    def operation(self, path, method, shared, one):
        parameters = [self.resolved(each) for each in [*shared, *one.get("parameters", [])]]
        rows = [(f"<code>{html.escape(each['name'])}</code>" + (f" · {words('required')}"
                                                                if each.get("required") else ""),
                 html.escape(each["in"]), self.type_of(each.get("schema", {})),
                 inline(each.get("description", ""))) for each in parameters]
        verb = f'<span class="verb">{method.upper()}</span>'
        text = [f'<article id="{one["operationId"]}"><h4>{verb} <code>{html.escape(path)}</code>'
                f"</h4><p>{inline(one.get('summary', ''))}</p>"]
        if "description" in one:
            text.append(f"<p>{inline(one['description'])}</p>")
        heads = ("parameter", "where", "type", "about")
        text.append(table([words(head) for head in heads], rows))
        for kind, schema in self.contents(self.resolved(one.get("requestBody", {}))):
            shape = "" if "properties" in schema else self.type_of(schema)
            text.append(f"<p>{words('asks')}: <code>{html.escape(kind)}</code> {shape}</p>")
            text.append(self.members(schema) if "properties" in schema else "")
        text.append(table((words("status"), words("about"), words("body")),
                          [self.answer(*answer) for answer in one["responses"].items()]))
        return "".join(text) + "</article>"

    def section(self):
        info = self.all["info"]
        text = [f"<p>{inline(part)}</p>" for part in info["description"].strip().split("\n\n")]
        text.append(f'<p>{words("file")}: <a href="/openapi.yaml">openapi.yaml</a></p>')
        for tag in self.all["tags"]:
            text.append(f'<h3 id="{slug(tag["name"])}">{inline(tag["description"])}</h3>')
            for path, item in self.all["paths"].items():
                shared = item.get("parameters", [])
                text += [self.operation(path, method, shared, one) for method, one in item.items()
                         if method != "parameters" and tag["name"] in one["tags"]]
        return "".join(text)

    def shapes(self):
        text = []
        for name, schema in self.all["components"]["schemas"].items():
            if not {"properties", "oneOf", "enum"} & set(schema):
                continue
            text.append(f'<article id="shape-{name}"><h3>{name}</h3>')
            if "description" in schema:
                text.append(f"<p>{inline(schema['description'])}</p>")
            text.append(self.members(schema) if "properties" in schema
                        else f"<p>{self.type_of(schema)}</p>")
            text.append("</article>")
        return "".join(text)


# --- the documents --------------------------------------------------------------------------------

def slug(text):
    return slugify(re.sub(r"[`,.]", "", text), "-")


def section_of(document, names):
    """Their text, the headings one step deeper; a section that is not there is an error."""
    text = (DOCS / document).read_text(encoding="utf-8")
    parts = dict(re.findall(r"^## (.+)\n((?:.|\n)*?)(?=^## |\Z)", text, re.MULTILINE))
    return "".join(f"### {name}\n{parts[name]}" for name in names)


def rendered(text):
    """Markdown as the documents use it. Links lead to this page; others are taken out."""
    made = markdown.markdown(
        text, extensions=["tables", "fenced_code", "sane_lists", "toc"],
        extension_configs={"toc": {"slugify": lambda value, _: slug(value)}})
    made = re.sub(r'<a href="(?:\w+\.md)?(#[^"]+)">', r'<a href="\1">', made)
    made = re.sub(r'<a href="protocol\.md">', '<a href="#protocol">', made)
    made = re.sub(r'<a href="reference\.md">', '<a href="#reference">', made)
    made = re.sub(r'<a href="openapi\.yaml">', '<a href="/openapi.yaml">', made)
    made = re.sub(r'<a href="[^"#/][^"]*">(.*?)</a>', r"<span>\1</span>", made)
    made = re.sub(r' style="[^"]*"', "", made)
    return made.replace("<pre>", '<pre class="scroll" tabindex="0">').replace(
        "<table>", '<div class="scroll" tabindex="0"><table>').replace(
        "</table>", "</table></div>")


def unlinked(text):
    """Links to sections that this page does not have, taken out."""
    ids = set(re.findall(r'\bid="([^"]+)"', text))

    def keep(found):
        return found[0] if found[1] in ids else f"<span>{found[2]}</span>"
    return re.sub(r'<a href="#([^"]+)">(.*?)</a>', keep, text)


def body():
    """What stands between the page's head and its end."""
    api = Api()
    sections = {"api": api.section(), "schemas": api.shapes(),
                "protocol": rendered(section_of("protocol.md", PROTOCOL)),
                "reference": rendered(section_of("reference.md", REFERENCE))}
    nav = "".join(f'<li><a href="#{name}">{words(name)}</a></li>' for name in sections)
    text = "".join(f'<section aria-labelledby="{name}"><h2 id="{name}">{words(name)}</h2>'
                   f'<div lang="en">{part}</div></section>' for name, part in sections.items())
    return unlinked(f'<nav aria-labelledby="contents"><h2 id="contents">{words("contents")}</h2>'
                    f"<ul>{nav}</ul></nav><p>{words('english')}</p>{text}")
