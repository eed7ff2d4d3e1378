"""Organisation, places, residents, staff, rota, devices and bindings."""
