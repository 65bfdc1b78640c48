"""Let the database refuse to change or remove audit events and leaves.

Against accidents and stray SQL, not against an administrator, who can drop a trigger: for that
there are the signed checkpoints. A later migration that alters one of the two tables on SQLite
rebuilds the table and so loses its triggers: it must run `install` again.

MySQL fires no trigger on TRUNCATE; there the foreign keys refuse it. With binary logging it wants
`log_bin_trust_function_creators = 1`, or a user with the SUPER privilege, for this migration.
"""

from __future__ import annotations

from django.db import migrations

TABLES = ("imagegen_auditevent", "imagegen_auditleaf")
ACTIONS = ("UPDATE", "DELETE")
REFUSAL = "The audit log is never changed: {table} refuses {action}."

#: PostgreSQL's triggers call a function; the others carry their statement with them.
FUNCTION = """
CREATE OR REPLACE FUNCTION imagegen_audit_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'The audit log is never changed: % refuses %.', TG_TABLE_NAME, TG_OP;
END
$$
"""
CREATE = {
    "sqlite": (
        "CREATE TRIGGER {name} BEFORE {action} ON {table} "
        "BEGIN SELECT RAISE(ABORT, '{refusal}'); END"
    ),
    "postgresql": (
        "CREATE TRIGGER {name} BEFORE {action} ON {table} "
        "FOR EACH {each} EXECUTE FUNCTION imagegen_audit_refuse()"
    ),
    "mysql": (
        "CREATE TRIGGER {name} BEFORE {action} ON {table} FOR EACH ROW "
        "SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = '{refusal}'"
    ),
}
DROP = {
    "sqlite": "DROP TRIGGER IF EXISTS {name}",
    "postgresql": "DROP TRIGGER IF EXISTS {name} ON {table}",
    "mysql": "DROP TRIGGER IF EXISTS {name}",
}


def names(vendor):
    """Return the name, the table and the action of every trigger."""
    actions = (*ACTIONS, "TRUNCATE") if vendor == "postgresql" else ACTIONS
    return [(f"{table}_no_{action.lower()}", table, action) for table in TABLES for action in actions]


def install_statements(vendor):
    """Return the SQL that makes the triggers; none for a database we do not know."""
    if vendor not in CREATE:
        return []
    made = [FUNCTION] if vendor == "postgresql" else []
    for name, table, action in names(vendor):
        made.append(
            CREATE[vendor].format(
                name=name,
                table=table,
                action=action,
                each="STATEMENT" if action == "TRUNCATE" else "ROW",
                refusal=REFUSAL.format(table=table, action=action),
            )
        )
    return made


def remove_statements(vendor):
    """Return the SQL that removes the triggers."""
    if vendor not in DROP:
        return []
    removed = [DROP[vendor].format(name=name, table=table) for name, table, _ in names(vendor)]
    if vendor == "postgresql":
        removed.append("DROP FUNCTION IF EXISTS imagegen_audit_refuse()")
    return removed


def install(apps, schema_editor):
    """Make the triggers; may be repeated."""
    vendor = schema_editor.connection.vendor
    for statement in [*remove_statements(vendor), *install_statements(vendor)]:
        schema_editor.execute(statement, params=None)


def remove(apps, schema_editor):
    """Remove the triggers."""
    for statement in remove_statements(schema_editor.connection.vendor):
        schema_editor.execute(statement, params=None)


class Migration(migrations.Migration):
    dependencies = [("imagegen", "0001_initial")]

    operations = [migrations.RunPython(install, remove, atomic=False)]
