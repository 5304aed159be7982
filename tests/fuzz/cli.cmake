outlookfs_fuzz_target(cli_config SOURCES fuzz_cli_config.c ROOMS cli base)
