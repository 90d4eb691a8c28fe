"""Put faults into the kernels of ordinary operators, around the LSTM and without one."""
