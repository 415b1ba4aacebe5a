# The shorter ways. `just` alone lists them.

_list:
    @just --list --unsorted

# Every check, as in continuous integration: format, lint, types, docs, tests, tests on the wheel
check *options:
    python3 scripts/check.py {{ options }}

# The tests; options go to pytest
test *options:
    uv run pytest -n 2 {{ options }}

# The long versions of the gates over the writer: simulation, mutated input, kills
gates:
    python3 scripts/gates.py

# Every stream into real public Singer targets, compared value by value
targets *options:
    python3 scripts/targets_check.py {{ options }}

# The jobs of meltano.yml with a real Meltano
meltano:
    python3 scripts/meltano_check.py

# The DAG with a real Airflow
airflow:
    python3 scripts/airflow_check.py

# Format the code
format:
    uv run ruff check --select I --fix --quiet
    uv run ruff format

# Lint the code
lint:
    uv run ruff check

# Check the types
types:
    uv run mypy --strict

# Write the schemas and the tables of the README anew
docs:
    uv run python scripts/generate.py

# Serve stand-ins of all providers on this machine
sandbox *options:
    uv run inventory-sandbox {{ options }}

# Read, write and read again, on the sandbox
demo:
    python3 scripts/demo.py
