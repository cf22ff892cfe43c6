# make demo    the program on the practice that it ships with
# make test    everything that must hold: style, types, layers, tests, also against a real FHIR server
# make types, make tests   two parts of it
# make prove   the long proofs; their figures go to docs/proof.md
# make profiles  profiles/resources from profiles/input and mappings/, and the pages of the contract
# make bench   measurements
# make lock    the versions and hashes of all dependencies (UPGRADE=1: the newest ones)
# make clean   removes what the others made
SHELL := bash
BIN := .venv/bin
# The tests start the program hundreds of times: what is compiled is kept, whatever the caller's shell says.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test types tests prove profiles bench lock clean

demo:
	@scripts/bootstrap
	@$(BIN)/caretally demo

test:
	scripts/bootstrap --test
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/lint-imports
	# The types are checked, on one core, while the tests begin: both must hold, and both are told.
	@$(MAKE) --no-print-directory --keep-going -j2 types tests

types:
	$(BIN)/mypy
	$(BIN)/mypy --explicit-package-bases tests scripts/prove.py scripts/make_profiles.py scripts/made_resources.py scripts/make_contract.py scripts/contract_parts.py docker/hapi/hapi.py docker/synthea/synthea.py

tests:
	$(BIN)/pytest -n auto

prove:
	scripts/bootstrap --test
	@failed=; $(BIN)/python scripts/mutate.py || failed=1; $(BIN)/python scripts/prove.py || failed=1; [ -z "$$failed" ]

profiles:
	scripts/bootstrap --test
	$(BIN)/python scripts/make_profiles.py
	$(BIN)/python scripts/make_contract.py

# A measurement that needs an argument says so and exits with 2: it is run by hand.
bench:
	scripts/bootstrap --test
	@failed=; for measurement in bench/*.py; do \
	  echo "== $$measurement"; code=0; $(BIN)/python "$$measurement" || code=$$?; \
	  case $$code in 0) ;; 2) echo "   (run it by hand, with its arguments)" ;; *) failed="$$failed $$measurement" ;; esac; \
	done; [ -z "$$failed" ] || { echo "failed:$$failed" >&2; exit 1; }

lock:
	scripts/lock $(if $(UPGRADE),--upgrade)

clean:
	docker/hapi/hapi stop
	rm -rf .venv build dist docker/hapi/target docker/hapi/cache
	rm -rf profiles/node_modules profiles/.cache
	rm -rf .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
