"""What is known to fail, and shall not for long: (target, parameter, value), "*" for any."""

SHAPES = ("input", "parameter", "constant", "broadcast_to", "reshape", "BinaryCrossEntropy.target_shape")
# Beyond 32 or 64 bits.
NUMBERS = ("axis", "batch_size", "epochs", "accumulate", "threads", "repeats", "random_step", "steps", "every", "begin",
           "multiplier", "milestones", "stream", "ignore", "end", "seed", "input_shape", "key", "classes")  # fmt: skip

HUGE = ("2**31", "2**62", "2**64", "10**30", "10**400")

EXPECTED = [
    *((target, "*", value) for target in ("Network.predict", "Trainer.profile") for value in HUGE),
    *((target, parameter, "*") for target in SHAPES for parameter in ("shape", "prediction")),
    *(("*", parameter, "*") for parameter in NUMBERS),
    ("Input", "shape", "*"),
    ("Tensor.__new__", "", ""),
    ("Graph.__new__", "", ""),
    ("Plan.__new__", "", ""),
]
