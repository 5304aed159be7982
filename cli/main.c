/* The outlookfs command; cli/command.c is the table of what it can do. */
#include <locale.h>

#include "cli/command.h"
#include "cli/daemon.h"

int main(int argc, char **argv)
{
    if (!daemon_fill_stdio())
        return (int)CLI_OTHER;
    setlocale(LC_CTYPE,
              "C.UTF-8"); /* names and messages are UTF-8 whatever the terminal's locale */
    return (int)command_main(argc, argv);
}
