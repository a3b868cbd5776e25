# engine: see engine.h
