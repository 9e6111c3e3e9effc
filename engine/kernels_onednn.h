/* What the files that call oneDNN share. Nobody else includes this. */
#ifndef ENGINE_KERNELS_ONEDNN_H
#define ENGINE_KERNELS_ONEDNN_H

#include <oneapi/dnnl/dnnl.h>

#include <stdbool.h>

/* Lives as long as the program; NULL: oneDNN is not to be used. */
dnnl_engine_t kernels_onednn_engine(void);
/* Whether the processor has all of an instruction set. */
bool kernels_onednn_has(dnnl_cpu_isa_t isa);
/* Keeps oneDNN from starting threads for what this thread asks of it. */
void kernels_onednn_stay_alone(void);

#endif
