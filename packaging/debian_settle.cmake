# CPack runs this between installing into its directory and packing that. Directories are as the umask of
# whoever builds made them; and strip leaves the compiler's name in, unless told otherwise.
file(CHMOD_RECURSE ${CPACK_TEMPORARY_DIRECTORY} DIRECTORY_PERMISSIONS
  OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
file(GLOB programs ${CPACK_TEMPORARY_DIRECTORY}/*/usr/bin/*)
execute_process(COMMAND ${CPACK_OUTLOOKFS_STRIP} --strip-all --remove-section=.comment --remove-section=.note
  ${programs} COMMAND_ERROR_IS_FATAL ANY)
