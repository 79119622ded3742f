"""How fast things are, beside their arithmetic floor and the ordinary way to do them: `lthbench bench`."""
