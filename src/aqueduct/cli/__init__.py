"""The command ``aqueduct``: one thin module per verb, none heavy to import."""
