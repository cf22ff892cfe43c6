"""Where answers and claims go: a folder of files or a FHIR server."""
