outlookfs_fuzz_target(imap_parser
  SOURCES fuzz_imap_parser.c ${PROJECT_SOURCE_DIR}/tests/unit/imap/transcript.c
  ROOMS imap base)
outlookfs_fuzz_target(imap_utf7 SOURCES fuzz_imap_utf7.c ROOMS imap base)
outlookfs_fuzz_target(imap_uidset SOURCES fuzz_imap_uidset.c ROOMS imap base)
outlookfs_fuzz_target(imap_deflate SOURCES fuzz_imap_deflate.c ROOMS imap base)
