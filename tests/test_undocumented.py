"""Every name of others that we use and they do not document stands on a page, with what it is for and who notices.

What is documented keeps its meaning, or it is said years before that it will not. The rest may change with any release.
So each use is known here, and has a test that fails when the name no longer means what it meant.

Found are, of Django, its drivers, pytz, croniter and wcwidth: what is imported, and what is reached through an import;
attributes of what our code calls a connection, and attributes of anything that only connections have; names that begin
with an underscore and that no code of ours defines; and what a class of ours overrides in a class of Django's, or
reaches through `self`. Types that stand in annotations alone are found as imports.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from fnmatch import fnmatchcase
from functools import cache
from importlib import import_module
from pathlib import Path

import django
import pytest

from tests.documents import code_in, page
from tests.sources import APPS, ROOT, bound_in, full_name, modules, names, tree_of

PAGE = page("explanation/undocumented.md")
TEST = re.compile(r"\[`(test_\w+)`\]\(\.\./\.\./(tests/[\w/]+\.py)\)")
THEIRS = ("croniter", "django", "MySQLdb", "psycopg", "pytz", "wcwidth")
CONNECTIONS = re.compile(r"(?:^|[._])(?:connection|wrapper|db)$|connections\[.+\]$")
"""What our code calls one of Django's connections."""

DOCUMENTED = """
    connection.alias connection.cursor connection.vendor django.db.connection.execute_wrapper
    connection.connection.cursor connection.connection.execute
    connection.connection.info connection.connection.isolation_level connection.connection.notifies
    connection.connection.prepare_threshold psycopg.sql.Literal
    croniter.croniter croniter.croniter.expand pytz.all_timezones pytz.all_timezones_set pytz.timezone wcwidth.*
    _asdict _fields _make _meta _exit connection.copy

    django.apps.AppConfig django.apps.apps.* django.conf.* django.dispatch.* django.forms.* django.http.*
    django.contrib.admin.FieldListFilter django.contrib.admin.ModelAdmin django.contrib.admin.ShowFacets.*
    django.contrib.admin.SimpleListFilter django.contrib.admin.action django.contrib.admin.display
    django.contrib.admin.register django.contrib.admin.site.register django.contrib.admin.site.unregister
    django.contrib.admin.models.CHANGE django.contrib.admin.models.LogEntry.objects.filter
    django.contrib.contenttypes.models.ContentType.objects.get_for_model django.contrib.messages.*
    django.core.checks.CheckMessage
    django.core.checks.Error django.core.checks.Info django.core.checks.Tags.* django.core.checks.WARNING
    django.core.checks.Warning django.core.checks.register django.core.exceptions.*
    django.core.management.call_command django.core.management.base.BaseCommand
    django.core.management.base.CommandError django.core.management.base.CommandParser
    django.core.signals.setting_changed.* django.db.*Error django.db.close_old_connections django.db.connections
    django.db.reset_queries django.db.backends.signals.connection_created.* django.db.transaction.*
    django.db.models.[A-Z]* django.db.models.functions.[A-Z]* django.db.models.lookups.GreaterThan
    django.test.override_settings
    django.tasks.* BaseTaskBackend.* Task.module_path Task.using TaskResult.*
    django.tasks.* django_tasks.* BaseTaskBackend.* Task.using
    django.template.response.TemplateResponse django.urls.path django.urls.reverse django.utils.encoding.force_bytes
    django.utils.html.format_html django.utils.log.RequireDebugTrue django.utils.module_loading.import_string
    django.utils.safestring.SafeString django.utils.timezone.*
    django.utils.translation.* django.views.decorators.http.*

    AppConfig.default_auto_field AppConfig.ready BaseCommand.add_arguments BaseCommand.execute BaseCommand.handle
    BaseCommand.help BaseCommand.requires_system_checks
    BaseForm.add_error BaseForm.changed_data BaseForm.errors BaseModelForm.clean
    BaseExpression.output_field Field.clean Field.widget Func.as_sql Func.template ListFilter.* Model.pk
    Model.refresh_from_db DateField.deconstruct DateTimeField.get_db_prep_value DateTimeField.get_prep_value
    QuerySet.aggregate QuerySet.filter
    SplitDateTimeField.compress SplitDateTimeField.widget SplitDateTimeWidget.decompress
    Signal.send_robust SimpleListFilter.* BaseModelAdmin.fields BaseModelAdmin.fieldsets
    BaseModelAdmin.form
    BaseModelAdmin.get_fieldsets BaseModelAdmin.get_queryset BaseModelAdmin.has_add_permission
    BaseModelAdmin.has_change_permission BaseModelAdmin.has_delete_permission BaseModelAdmin.has_view_permission
    BaseModelAdmin.lookup_allowed BaseModelAdmin.ordering BaseModelAdmin.show_full_result_count
    BaseModelAdmin.sortable_by ModelAdmin.actions ModelAdmin.change_form_template ModelAdmin.change_list_template
    ModelAdmin.add_view
    ModelAdmin.change_view ModelAdmin.changelist_view ModelAdmin.delete_model ModelAdmin.delete_queryset
    ModelAdmin.get_actions ModelAdmin.get_changelist ModelAdmin.get_deleted_objects ModelAdmin.get_form
    ModelAdmin.get_list_filter ModelAdmin.get_search_results ModelAdmin.get_urls ModelAdmin.list_display
    ModelAdmin.list_filter ModelAdmin.list_per_page ModelAdmin.list_select_related ModelAdmin.message_user
    ModelAdmin.save_model ModelAdmin.search_fields ModelAdmin.search_help_text ModelAdmin.show_facets
"""
# A connection's `copy` stands for that of a context: no name of it tells them apart.
# Look a name up before you add it: what is not documented belongs on the page.


def test_what_is_used_without_being_documented_stands_on_the_page() -> None:
    used, known = _used(), _known()

    new, gone = used.keys() - known.keys(), known.keys() - used.keys()
    assert not new, f"look them up, then name them in DOCUMENTED or on {PAGE}: {new}"
    assert not gone, f"{PAGE} names what nobody uses any more: {gone}"
    elsewhere = {name: sorted(rooms) for name, rooms in used.items() if rooms != known[name]}
    assert not elsewhere, f"{PAGE} has other rooms than these, which use it: {elsewhere}"


def test_every_name_that_is_not_documented_has_a_test_that_exists() -> None:
    for row, (*_, guards) in PAGE.table("Name").items():
        found = TEST.findall(guards)
        assert found, f"no test guards {row}"
        for name, path in found:
            assert re.search(rf"^def {name}\(", (ROOT / path).read_text(), re.MULTILINE), f"{path}::{name}"


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("connection.in_atomic_block", "connection.in_atomic_block"),
        ("connections[using].needs_rollback", "connection.needs_rollback"),
        ("anything.run_on_commit", "connection.run_on_commit"),
        ("schema_editor.connection.features.has_json_object_function", "connection.features.has_json_object_function"),
        ("connections['own'] = wrapper", "connections[…]"),
        ("admin.site._registry", "_registry"),
        ("getattr(zone, '_tzinfos')", "_tzinfos"),
        ("from django.db.models.sql import Query", "django.db.models.sql.Query"),
        ("from django.db import connections\nconnections.all()", "django.db.connections.all"),
        ("import pytz\npytz.lazy", "pytz.lazy"),
    ],
)
def test_no_way_of_using_a_name_escapes(source: str, found: str) -> None:
    assert [name for name in _named_in(ast.parse(source)) if not _is_documented(name)] == [found]


def _known() -> dict[str, set[str]]:
    """The names that the page has, and the rooms that it says use them."""
    known: dict[str, set[str]] = defaultdict(set)
    for head in ("Name", "Type"):
        for cell, (rooms, *_) in PAGE.table(head).items():
            for name in cell.replace("`", "").split(", "):
                known[name] |= set(code_in(rooms))
    return known


@cache
def _used() -> dict[str, set[str]]:
    """The names that are not documented, and the rooms that use them."""
    used: dict[str, set[str]] = defaultdict(set)
    for module, path in modules(*APPS).items():
        if ".migrations" not in module:
            for name in (*_named_in(tree_of(path)), *_of_classes(module)):
                if not _is_documented(name):
                    used[name].add(".".join(module.split(".")[:2]))
    return used


def _is_documented(name: str) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in DOCUMENTED.split())


def _named_in(tree: ast.Module) -> set[str]:
    return {*_imported(tree), *_of_connections(tree), *_underscored(tree)}


def _imported(tree: ast.Module) -> Iterator[str]:
    """Not the packages on the way."""
    found = {name for _, name in names(tree) if name.partition(".")[0] in THEIRS}
    yield from (name for name in found if not any(other.startswith(f"{name}.") for other in found))


def _of_connections(tree: ast.Module) -> Iterator[str]:
    known = dict(bound_in(tree))
    for node in ast.walk(tree):
        match node:
            case ast.Subscript(value=ast.Name(id="connections"), ctx=ast.Store() | ast.Del()):
                yield "connections[…]"
            case ast.Attribute(attr=name, value=owner) if full_name(node, known) is None:
                *_, part = ast.unparse(owner).split(".")
                if part in ("ops", "features", "introspection"):
                    yield f"connection.{part}.{name}"
                elif ast.unparse(owner).endswith("connection.connection"):
                    yield f"connection.connection.{name}"
                elif name in _only_connections_have() or (
                    name in _connections_have() and CONNECTIONS.search(ast.unparse(owner))
                ):
                    yield f"connection.{name}"


def _only_connections_have() -> frozenset[str]:
    return _connections_have() - _ours()


@cache
def _connections_have() -> frozenset[str]:
    """By the source of all backends, so that no driver is needed; but for what leads on, of which the end is told."""
    files = (Path(django.__file__).parent / "db" / "backends").glob("*/base.py")
    kinds = (node for file in files for node in tree_of(file).body if isinstance(node, ast.ClassDef))
    wrappers = (kind for kind in kinds if kind.name.endswith("DatabaseWrapper"))
    attributes = {name for wrapper in wrappers for name in (*_set_in_body(wrapper), *_set_on_self(wrapper))}
    return frozenset({name for name in attributes if not name.startswith("__")} - {"ops", "features", "introspection"})


def _underscored(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(attr=name):
                pass
            case ast.Call(
                func=ast.Name(id="getattr" | "hasattr" | "setattr"), args=[_, ast.Constant(value=str(name)), *_]
            ):
                pass
            case _:
                continue
        if re.match(r"_[^_]", name) and name not in _ours():
            yield name


@cache
def _ours() -> frozenset[str]:
    return frozenset(name for path in modules(*APPS).values() for name in _defined_in(tree_of(path)))


def _defined_in(tree: ast.AST) -> Iterator[str]:
    """Functions and classes, parameters, and what is assigned to."""
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name) | ast.arg(arg=name):
                yield name
            case ast.Name(id=name, ctx=ast.Store()):
                yield name
    yield from _set_on_self(tree)


def _set_on_self(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(attr=name, value=ast.Name(id="self"), ctx=ast.Store()):
                yield name


def _of_classes(module: str) -> Iterator[str]:
    """By the class that has the name next."""
    for node in tree_of(modules(*APPS)[module]).body:
        if isinstance(node, ast.ClassDef):
            above = getattr(import_module(module), node.name).__mro__[1:]
            for name in {*_set_in_body(node), *_reached_through_self(node)}:
                owner = next((kind for kind in above if name in vars(kind)), object)
                if owner.__module__.startswith("django.") and not name.startswith("__"):
                    yield f"{owner.__name__}.{name}"


def _set_in_body(node: ast.ClassDef) -> Iterator[str]:
    for each in node.body:
        match each:
            case ast.FunctionDef(name=name) | ast.AnnAssign(target=ast.Name(id=name)):
                yield name
            case ast.Assign(targets=[ast.Name(id=name)]):
                yield name


def _reached_through_self(node: ast.ClassDef) -> Iterator[str]:
    for each in ast.walk(node):
        if isinstance(each, ast.Attribute) and ast.unparse(each.value) in ("self", "cls", "super()"):
            yield each.attr
