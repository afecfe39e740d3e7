#!/usr/bin/env bash
# Brings a team's stack up, on Linux, macOS and Windows (Git Bash): generates the secrets that lack, builds the image,
# starts what does not run yet and waits until everything does its work. What is given is handed to `docker compose up`.
set -euo pipefail
cd "$(dirname "$0")/.."

# Git Bash would turn arguments that look like paths into Windows paths.
export MSYS_NO_PATHCONV=1
RANDOM_SECRETS="postgres_password airflow_database_password mlflow_database_password warehouse_password
    broker_password api_secret_key automation_password mlflow_reader_password mlflow_writer_password
    serving_api_key serving_webhook_secret"
# Each as compose writes it, with the default that the code has: an empty TEAM_USERS means nobody.
SETTINGS_NEEDED="ADMIN_USER:-admin TEAM_USERS-operator:Op,analyst:User,guest:Viewer XGBOOST_DEVICE:-cpu
    TRAINING_ENGINE:-task AIRFLOW_PORT:-8080 MLFLOW_PORT:-5000 SERVING_PORTS:-8100-8101 MAILPIT_PORT:-8025"
# No secret, and by its name left out where all secrets are meant.
APPLIED=secrets/.applied
MAILPIT='{"conn_type": "smtp", "host": "mailpit", "port": 1025,
    "extra": {"disable_tls": true, "disable_ssl": true, "from_email": "airflow@localhost"}}'

random_text() {
    head -c "${1:-24}" /dev/urandom | od -An -v -tx1 | tr -d ' \n'
}

# Docker mounts a secret with the mode of its file, and the programs have other accounts: the directory is what
# keeps the machine's other users out. A secret appears whole or not at all, also on a disk that is full.
write_secret() {
    rm -f secrets/.part
    printf '%s\n' "$2" > secrets/.part
    chmod 444 secrets/.part
    mv -f secrets/.part "secrets/$1"
}

generate_secret() {
    if [ ! -s "secrets/$1" ]; then
        write_secret "$1" "$2"
    fi
}

# As `read_passwords` in include/team/users.py finds it. A name may have characters that patterns give a meaning.
first_password() {
    awk -v start="$1=" 'index($0, start) == 1 { found = substr($0, length(start) + 1) } END { print found }' \
        secrets/user_passwords
}

# The settings as compose itself sees them: the variable of the shell where there is one, else .env by compose's rules.
# Asked by a file of one service, which every release of compose understands.
read_settings() {
    {
        echo "services: {settings: {image: settings, environment: {"
        for setting in $SETTINGS_NEEDED; do
            echo "${setting%%[:-]*}: \"\${$setting}\","
        done
        echo "}}}"
    } | docker compose --file - config
}

setting() {
    printf '%s\n' "$SETTINGS" | sed -n "s/^ *$1: //p" | tr -d "\r\"'"
}

generate_secrets() {
    mkdir -p secrets
    chmod 700 secrets
    for name in $RANDOM_SECRETS; do
        generate_secret "$name" "$(random_text)"
    done
    # HMAC with SHA-512, which signs Airflow's tokens, asks for 64 bytes: each random one is two digits.
    generate_secret jwt_secret "$(random_text 32)"
    generate_secret fernet_key "$(head -c 32 /dev/urandom | base64 | tr '+/' '-_')"
    generate_secret smtp_connection "$MAILPIT"
    generate_secret alert_urls ""
    generate_secret user_passwords "# name=first password"
    for user in $(setting ADMIN_USER) $(setting TEAM_USERS | tr ',' '\n' | sed 's/:.*//'); do
        if [ -z "$(first_password "$user")" ]; then
            lines="$(cat secrets/user_passwords)"
            write_secret user_passwords "$lines"$'\n'"$user=$(random_text)"
        fi
    done
}

# Of all secrets but first passwords, which only the migrations read: containers keep what they were started with.
sum_secrets() {
    for file in secrets/*; do
        [ "$file" = secrets/user_passwords ] || cat "$file"
    done | cksum
}

# As `include/tracking/lineage.py` finds it, which has no repository to ask in the image.
find_commit() {
    local commit
    commit="$(git rev-parse HEAD 2> /dev/null)" || return 0
    if [ -n "$(git status --porcelain -- dags include plugins requirements.txt \
        ':(exclude)include/problems/*/problem.toml')" ]; then
        commit="$commit-dirty"
    fi
    printf '%s\n' "$commit"
}

main() {
    if ! docker compose version > /dev/null 2>&1; then
        echo "docker compose is needed: https://docs.docker.com/compose/install/" >&2
        exit 1
    fi
    if ! SETTINGS="$(read_settings)"; then
        echo "Docker Compose could not read the settings: see above. Version 2 or newer is needed." >&2
        exit 1
    fi
    generate_secrets
    [ "$(setting XGBOOST_DEVICE)" != cuda ] || export COMPOSE_PROFILES="${COMPOSE_PROFILES:+$COMPOSE_PROFILES,}gpu"
    [ "$(setting TRAINING_ENGINE)" != dask ] || export COMPOSE_PROFILES="${COMPOSE_PROFILES:+$COMPOSE_PROFILES,}dask"
    GIT_COMMIT="$(find_commit)"
    export GIT_COMMIT
    docker compose build
    # What cannot be used is refused here, before anything that runs is touched.
    docker compose run --rm --no-deps migrations python -m include.embedded.settings_check
    local sum
    sum="$(sum_secrets)"
    if [ -e "$APPLIED" ] && [ "$(cat "$APPLIED")" != "$sum" ]; then
        set -- --force-recreate "$@"
    fi
    docker compose up --detach --wait "$@"
    printf '%s\n' "$sum" > "$APPLIED"
    local admin
    admin="$(setting ADMIN_USER)"
    echo "Airflow      http://localhost:$(setting AIRFLOW_PORT)  $admin / $(first_password "$admin")"
    echo "MLflow       http://localhost:$(setting MLFLOW_PORT)  reader / $(cat secrets/mlflow_reader_password)"
    echo "Predictions  http://localhost:$(setting SERVING_PORTS | sed 's/-.*//')/docs  key: $(cat secrets/serving_api_key)"
    echo "Mail         http://localhost:$(setting MAILPIT_PORT)"
    echo "Airflow's password is the first one: it holds until $admin changes it. Those of others: secrets/user_passwords."
}

main "$@"
