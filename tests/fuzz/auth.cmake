outlookfs_fuzz_target(auth_store SOURCES fuzz_auth_store.c ROOMS auth base)
outlookfs_fuzz_target(auth_answer SOURCES fuzz_auth_answer.c ROOMS auth base)
outlookfs_fuzz_target(auth_returned SOURCES fuzz_auth_returned.c ROOMS auth base)
