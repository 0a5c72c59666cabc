"""Programs: flags -> configurations -> pipeline. Nothing imports them."""
