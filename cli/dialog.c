/*
 * See dialog.h. What is to be read goes to standard output, so that it can be piped away from the
 * errors. Texts that come from the sign-in server pass the terminal filter.
 */
#include "cli/dialog.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#include "base/log.h"
#include "cli/browser.h"

static void leaving_signals(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGHUP);
    sigaddset(set, SIGQUIT);
}

void dialog_open(struct dialog *dialog, const char *account)
{
    sigset_t set;
    leaving_signals(&set);
    *dialog = (struct dialog){.account = account, .cancel_fd = signalfd(-1, &set, SFD_CLOEXEC)};
    if (dialog->cancel_fd >= 0)
        sigprocmask(SIG_BLOCK, &set, NULL);
}

/* A signal that is still pending has done its work: it is read away before it is let through. */
void dialog_close(struct dialog *dialog)
{
    sigset_t set;
    struct signalfd_siginfo info;
    struct pollfd fd = {.fd = dialog->cancel_fd, .events = POLLIN};
    if (dialog->cancel_fd < 0)
        return;
    while (poll(&fd, 1, 0) == 1 && read(dialog->cancel_fd, &info, sizeof info) > 0)
        continue;
    close(dialog->cancel_fd);
    dialog->cancel_fd = -1;
    leaving_signals(&set);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
}

static void show_code(void *ctx, const char *address, const char *code, long seconds)
{
    const struct dialog *dialog = ctx;
    printf("To sign in as %s, open\n\n    %s\n\non any device and enter the code\n\n    %s\n\n",
           dialog->account, address, code);
    long minutes = (seconds + 59) / 60;
    printf("It is good for %ld minute%s. Waiting; Ctrl-C gives up.\n", minutes,
           minutes == 1 ? "" : "s");
    fflush(stdout);
    (void)browser_open(address); /* the address is on the screen */
}

static void show_address(void *ctx, const char *address)
{
    const struct dialog *dialog = ctx;
    bool opened = browser_open(address);
    printf("To sign in as %s, %s:\n\n    %s\n\nWaiting; Ctrl-C gives up.\n", dialog->account,
           opened ? "use the browser that opens; if none does, open"
                  : "open this address in a browser on this machine",
           address);
    fflush(stdout);
}

/* Reads up to the end of a line, or of the input; false when interrupted, or for nothing. */
static bool read_line(void *ctx, struct buffer *line)
{
    const struct dialog *dialog = ctx;
    printf("At its end the browser shows an empty page. Paste the address of that page here:\n");
    fflush(stdout);
    for (;;) {
        struct pollfd fds[] = {
            {.fd = dialog->cancel_fd, .events = POLLIN},
            {.fd = STDIN_FILENO,      .events = POLLIN}
        };
        char byte;
        if (poll(fds, 2, -1) < 0 && errno != EINTR)
            return false;
        if (fds[0].revents != 0)
            return false;
        if (fds[1].revents == 0)
            continue;
        ssize_t n = read(STDIN_FILENO, &byte, 1);
        if (n <= 0 || byte == '\n')
            return line->len > 0;
        if (byte != '\r' && !buffer_append_byte(line, byte))
            return false;
    }
}

struct auth_dialog dialog_for_auth(struct dialog *dialog)
{
    return (struct auth_dialog){.ctx = dialog,
                                .cancel_fd = dialog->cancel_fd,
                                .show_code = show_code,
                                .show_address = show_address,
                                .read_line = read_line};
}

bool dialog_person_there(void)
{
    return isatty(STDIN_FILENO) && isatty(STDERR_FILENO);
}

/* ---- the password ---- */

enum { LINE_ROOM = 4096 }; /* a terminal's line is no longer (termios(3)) */

struct prompt {
    struct termios shown, hidden;
    char text[512];
};

static void prompt_show(const struct prompt *prompt)
{
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &prompt->hidden);
    fputs(prompt->text, stderr);
}

/* Ctrl-Z: whoever uses the terminal meanwhile has the echo back. */
static void prompt_stop(const struct prompt *prompt)
{
    sigset_t stop;
    sigemptyset(&stop);
    sigaddset(&stop, SIGTSTP);
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &prompt->shown);
    raise(SIGTSTP);
    sigprocmask(SIG_UNBLOCK, &stop, NULL);
    sigprocmask(SIG_BLOCK, &stop, NULL); /* here it goes on */
    prompt_show(prompt);
}

/* Waits for a line, and through stops; false when a signal wants us to leave. */
static bool prompt_wait(const struct prompt *prompt, int signals)
{
    struct signalfd_siginfo info = {.ssi_signo = SIGTSTP};
    struct pollfd fds[] = {
        {.fd = signals,      .events = POLLIN},
        {.fd = STDIN_FILENO, .events = POLLIN}
    };
    while (info.ssi_signo == SIGTSTP) {
        if (poll(fds, 2, -1) < 0)
            continue; /* EINTR */
        if (fds[0].revents == 0)
            return true;
        if (read(signals, &info, sizeof info) != sizeof info)
            return false;
        if (info.ssi_signo == SIGTSTP)
            prompt_stop(prompt);
    }
    return false;
}

/* The echo is put back whatever happens: signals are read, not obeyed, meanwhile. */
static bool prompt_run(const struct prompt *prompt, struct buffer *password)
{
    sigset_t set, before;
    leaving_signals(&set);
    sigaddset(&set, SIGTSTP);
    int signals = signalfd(-1, &set, SFD_CLOEXEC);
    if (signals < 0)
        return false;
    sigprocmask(SIG_BLOCK, &set, &before);
    prompt_show(prompt);
    char *room = prompt_wait(prompt, signals) ? buffer_reserve(password, LINE_ROOM) : NULL;
    ssize_t n = room != NULL ? read(STDIN_FILENO, room, LINE_ROOM) : 0;
    bool ended = n > 0 && room[n - 1] == '\n'; /* and echoed as such */
    if (ended)
        n--;
    else
        fputc('\n', stderr);
    if (n > 0)
        buffer_commit(password, (size_t)n);
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &prompt->shown);
    close(signals);
    sigprocmask(SIG_SETMASK, &before, NULL);
    return n > 0;
}

bool dialog_ask_password(const char *username, const char *host, struct buffer *password)
{
    struct prompt prompt;
    if (tcgetattr(STDIN_FILENO, &prompt.shown) != 0)
        return false;
    snprintf(prompt.text, sizeof prompt.text,
             "Password of %.200s at %.200s (it is kept nowhere): ", username, host);
    log_make_printable(prompt.text, strlen(prompt.text));
    prompt.hidden = prompt.shown;
    prompt.hidden.c_lflag &= ~(tcflag_t)(ECHO | ECHOE | ECHOK);
    prompt.hidden.c_lflag |= ECHONL | ICANON;
    return prompt_run(&prompt, password);
}
