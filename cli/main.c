/* The outlookfs command; cli/command.c is the table of what it can do. */
#include <locale.h>
#include <signal.h>
#include <string.h>

#include "cli/command.h"
#include "cli/daemon.h"
#include "cli/paths.h"
#include "fs/raiser.h"

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], RAISER_WORD) == 0) /* a mount's helper, never a person */
        return raiser_main(argc - 1, argv + 1);
    if (!daemon_fill_stdio() || paths_repair_home() != 0)
        return (int)CLI_OTHER;
    signal(SIGXFSZ, SIG_IGN); /* a write beyond a limit then fails, and is told */
    setlocale(LC_CTYPE,
              "C.UTF-8"); /* names and messages are UTF-8 whatever the terminal's locale */
    return (int)command_main(argc, argv);
}
