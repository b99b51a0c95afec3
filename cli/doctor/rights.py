"""What PostgreSQL's logins may not do, asked of PostgreSQL itself: the catalogue decides, nothing is tried on a log."""

from collections.abc import Mapping

import asyncpg

from cli.doctor.findings import Finding, bad, warning

LOGINS = ("app", "migrator", "auditor")
APPEND_ONLY: Mapping[str, tuple[str, ...]] = {
    "events": ("UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER"),
    "tiles": ("UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER"),
    "head": ("INSERT", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER"),
}
"""Rights that nobody who logs in has on a log's tables (0001_log.sql)."""
TRIGGERS = {
    ("events", "refuse_change"),
    ("events", "refuse_truncate"),
    ("events", "continue"),
    ("tiles", "refuse_change"),
    ("tiles", "refuse_truncate"),
    ("head", "continues"),
    ("head", "refuse_change"),
    ("head", "refuse_truncate"),
}
GUARDS = ("eventstore_guard_changes", "eventstore_guard_drops")
COLUMN_RIGHTS = {"INSERT", "UPDATE", "REFERENCES", "SELECT"}
"""Those that may be given for single columns."""
MIGRATE = "run `python -m servicekit.migrate`"


async def check_server(connection: asyncpg.Connection, services: tuple[str, ...]) -> list[Finding]:
    """What holds for the whole server: the roles themselves, and the guard over all logs."""
    return [
        *await _attributes(connection, services),
        *await _memberships(connection, services),
        *await _guards(connection),
    ]


async def check_log(connection: asyncpg.Connection, service: str, services: tuple[str, ...]) -> list[Finding]:
    """Every right on one service's tables that somebody has and must not have; asked as that service's auditor."""
    return [
        *await _on_the_log(connection, service),
        *await _beyond(connection, service, services),
        *await _triggers(connection, service),
    ]


async def _attributes(connection: asyncpg.Connection, services: tuple[str, ...]) -> list[Finding]:
    logins = [f"{service}_{login}" for service in services for login in (*LOGINS, "owner")]
    rows = await connection.fetch(
        """SELECT rolname, rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls, rolcanlogin
           FROM pg_roles WHERE rolname = ANY($1) OR rolsuper AND rolcanlogin""",
        logins,
    )
    missing = sorted(set(logins) - {row["rolname"] for row in rows})
    found = [bad("roles", f"the role {name} is not there", MIGRATE) for name in missing]
    attributes = {
        "rolsuper": "SUPERUSER", "rolcreaterole": "CREATEROLE", "rolcreatedb": "CREATEDB",
        "rolreplication": "REPLICATION", "rolbypassrls": "BYPASSRLS",
    }  # fmt: skip
    for row in rows:
        name = row["rolname"]
        if name not in logins:
            if name != "postgres":
                step = "take it away, unless you gave it: nobody needs a second one"
                found.append(warning("roles", f"{name} is a superuser who can log in", step))
            continue
        for column, attribute in attributes.items():
            if row[column]:
                found.append(bad("roles", f"{name} has {attribute}", f"ALTER ROLE {name} NO{attribute}"))
        if name.endswith("_owner") and row["rolcanlogin"]:
            found.append(bad("roles", f"{name} can log in", f"ALTER ROLE {name} NOLOGIN"))
    return found


async def _memberships(connection: asyncpg.Connection, services: tuple[str, ...]) -> list[Finding]:
    rows = await connection.fetch(
        """SELECT member.rolname AS member, granted.rolname AS granted FROM pg_auth_members m
           JOIN pg_roles member ON member.oid = m.member JOIN pg_roles granted ON granted.oid = m.roleid
           WHERE member.rolname = ANY($1)""",
        [f"{service}_{login}" for service in services for login in LOGINS],
    )
    return [
        bad(
            "roles", f"{row['member']} is a member of {row['granted']}", f"REVOKE {row['granted']} FROM {row['member']}"
        )
        for row in rows
    ]


async def _on_the_log(connection: asyncpg.Connection, service: str) -> list[Finding]:
    app, migrator = f"{service}_app", f"{service}_migrator"
    asked = [
        (f"{service}_{login}", right, f"{service}.{table}")
        for table, rights in APPEND_ONLY.items()
        for login in LOGINS
        for right in rights
    ]
    asked += [(migrator, "INSERT", f"{service}.events"), (migrator, "INSERT", f"{service}.tiles")]
    found = await _too_many(connection, asked)
    # By columns only: whoever may insert into the whole table may also override what it gives by itself.
    for table in ("events", "tiles"):
        name = f"{service}.{table}"
        if await connection.fetchval("SELECT has_table_privilege($1, $2, 'INSERT')", app, name):
            found.append(_too_much(app, "INSERT", name))
    return found


async def _beyond(connection: asyncpg.Connection, service: str, services: tuple[str, ...]) -> list[Finding]:
    """The auditor writes nothing and reads no vault; nobody reaches into another service."""
    found = []
    rows = await connection.fetch(
        """SELECT n.nspname || '.' || c.relname AS name, pg_get_userbyid(c.relowner) AS owner FROM pg_class c
           JOIN pg_namespace n ON n.oid = c.relnamespace
           WHERE n.nspname = ANY($1) AND c.relkind IN ('r', 'p') ORDER BY 1""",
        [service, f"{service}_read"],
    )
    auditor = f"{service}_auditor"
    for row in rows:
        rights = ["INSERT", "UPDATE", "DELETE", "TRUNCATE", *(["SELECT"] if ".vault_" in row["name"] else [])]
        found += await _too_many(connection, [(auditor, right, row["name"]) for right in rights])
        if row["name"].startswith(f"{service}.") and row["owner"] in {f"{service}_app", auditor}:
            step = f"ALTER TABLE {row['name']} OWNER TO {service}_owner"
            found.append(bad("roles", f"{row['owner']} owns {row['name']}", step))
    for other in services:
        for login in LOGINS:
            name = f"{other}_{login}"
            if other != service and await connection.fetchval(
                "SELECT has_schema_privilege($1, $2, 'USAGE')", name, service
            ):
                found.append(
                    bad("roles", f"{name} may look into {service}", f"REVOKE ALL ON SCHEMA {service} FROM {name}")
                )
    return found


async def _triggers(connection: asyncpg.Connection, service: str) -> list[Finding]:
    rows = await connection.fetch(
        """SELECT c.relname, t.tgname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
           JOIN pg_namespace n ON n.oid = c.relnamespace
           WHERE n.nspname = $1 AND t.tgenabled = 'A' AND NOT t.tgisinternal""",
        service,
    )
    missing = TRIGGERS - {(row["relname"], row["tgname"]) for row in rows}
    return [
        bad(
            "roles",
            f"the trigger {trigger} of {service}.{table} is off or gone: the log can be changed",
            f"ALTER TABLE {service}.{table} ENABLE ALWAYS TRIGGER {trigger}; then `chaoyangli verify`",
        )
        for table, trigger in sorted(missing)
    ]


async def _guards(connection: asyncpg.Connection) -> list[Finding]:
    rows = await connection.fetch("SELECT evtname FROM pg_event_trigger WHERE evtenabled = 'A'")
    missing = sorted(set(GUARDS) - {row["evtname"] for row in rows})
    return [bad("roles", f"the event trigger {name} is off or gone", MIGRATE) for name in missing]


async def _too_many(connection: asyncpg.Connection, asked: list[tuple[str, str, str]]) -> list[Finding]:
    """A finding for each of (role, right, table) that is granted, for the table or for one of its columns."""
    roles, rights, tables = zip(*asked, strict=True)
    rows = await connection.fetch(
        """SELECT role, right_asked, of_table FROM unnest($1::text[], $2::text[], $3::text[])
               AS asked (role, right_asked, of_table)
           WHERE CASE WHEN right_asked = ANY($4) THEN has_any_column_privilege(role, of_table, right_asked)
                      ELSE has_table_privilege(role, of_table, right_asked) END""",
        list(roles),
        list(rights),
        list(tables),
        list(COLUMN_RIGHTS),
    )
    return [_too_much(row["role"], row["right_asked"], row["of_table"]) for row in rows]


def _too_much(role: str, right: str, table: str) -> Finding:
    return bad("roles", f"{role} may {right} {table}", f"REVOKE {right} ON {table} FROM {role}")
