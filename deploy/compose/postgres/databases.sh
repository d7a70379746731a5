#!/bin/sh
# A database for each part, with a role that owns nothing else. The image runs it while the volume is empty; run again,
# it makes what a newer version needs beside what is there.
set -eu
superuser="${POSTGRES_USER:-postgres}"
make_database() {
    there=$(psql --username "$superuser" --tuples-only --no-align --set name="$1" \
        <<'SQL'
SELECT count(*) FROM pg_database WHERE datname = :'name';
SQL
    )
    [ "$there" = 0 ] || return 0
    psql --set ON_ERROR_STOP=1 --username "$superuser" --set name="$1" --set password="$2" <<'SQL'
CREATE ROLE :"name" LOGIN PASSWORD :'password';
CREATE DATABASE :"name" OWNER :"name";
REVOKE ALL ON DATABASE :"name" FROM PUBLIC;
SQL
}
make_database airflow "$AIRFLOW_DATABASE_PASSWORD"
make_database mlflow "$MLFLOW_DATABASE_PASSWORD"
make_database paywarden "$TUNING_DATABASE_PASSWORD"
make_database cases "$CASES_DATABASE_PASSWORD"
