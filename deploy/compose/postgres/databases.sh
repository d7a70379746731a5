#!/bin/sh
# Run once by the image, while the volume is empty: a database for each part, with a role that owns nothing else.
set -eu
make_database() {
    psql --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --set name="$1" --set password="$2" <<'SQL'
CREATE ROLE :"name" LOGIN PASSWORD :'password';
CREATE DATABASE :"name" OWNER :"name";
REVOKE ALL ON DATABASE :"name" FROM PUBLIC;
SQL
}
make_database airflow "$AIRFLOW_DATABASE_PASSWORD"
make_database mlflow "$MLFLOW_DATABASE_PASSWORD"
make_database paywarden "$TUNING_DATABASE_PASSWORD"
