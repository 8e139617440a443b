// The verb `tarn node` alone, so that compute's tests need not link the whole program.
#include "compute/node/agent.h"

int main(int argc, char** argv) { return tarn::compute::node::node_main(argc - 1, argv + 1); }
