"""What streams yield and views show: frozen dataclasses, plain data, no behaviour.

Times are integers of microseconds inside the engine (`..._us`); the views that the page and scripts get
have seconds as floats, because that is what people and players read.
"""
