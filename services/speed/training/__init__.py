"""How the speed model is made: data, network, training, export and evaluation. The only place that imports torch."""
