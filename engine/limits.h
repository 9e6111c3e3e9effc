/* Every limit of the engine. Sizes that a client could drive up are checked against these before anything is allocated. */
#ifndef ENGINE_LIMITS_H
#define ENGINE_LIMITS_H

enum {
  LIMIT_NAME_BYTES = 64,         /* a layer's or resource's name, without the final NUL */
  LIMIT_RANK = 4,                /* axes of one sample: [channels, height, width] and one to spare */
  LIMIT_LAYERS = 1024,           /* layers of a network */
  LIMIT_LAYER_INPUTS = 16,       /* inputs of one layer (add, concat) */
  LIMIT_LAYER_TENSORS = 8,       /* parameter tensors, or buffers, of one layer */
  LIMIT_SAMPLE_VALUES = 1 << 30, /* values of one sample at any layer */
  LIMIT_UNITS = 1 << 20,         /* outputs of a dense layer; filters; classes */
  LIMIT_CLASS_WEIGHTS = 4096,    /* entries of class_weights */
  LIMIT_CONFUSION_CLASSES = 256, /* classes of a confusion matrix; of more it is not made */
  LIMIT_BATCH_SIZE = 1 << 20,
  LIMIT_ACCUMULATE_STEPS = 1 << 16, /* batches of one step */
  LIMIT_EPOCHS = 1000000,
  LIMIT_OPTIMIZER_SLOTS = 402, /* floats of optimizer state per parameter */
  LIMIT_REPORT_VALUES = 8192   /* named values in one training report */
};

#endif
