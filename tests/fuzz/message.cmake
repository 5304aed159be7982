outlookfs_fuzz_target(message_summary SOURCES fuzz_message_summary.c ROOMS message base)
outlookfs_fuzz_target(message_name SOURCES fuzz_message_name.c ROOMS message base)
outlookfs_fuzz_target(message_directory SOURCES fuzz_message_directory.c ROOMS message base)
