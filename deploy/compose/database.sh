#!/bin/sh
# database: run once in PostgreSQL's container: a role that owns the database and nothing more, and no superuser's password.
set -eu
psql -v ON_ERROR_STOP=1 --no-psqlrc --quiet -U postgres -d prismguard <<'SQL'
\set password `cat /run/prismguard/database`
create role prismguard login password :'password';
alter database prismguard owner to prismguard;
alter role postgres password null;
SQL
