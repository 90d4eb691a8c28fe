"""Do one thing with a runtime, whichever class `Model` drives its package."""
