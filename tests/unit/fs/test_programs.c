/* What real programs do to the mount (FUSE.md, "What programs really send"). A program that is not
 * installed is left out, and said so. */
#include "writable.h"

static bool have(const char *program)
{
    char script[100];

    snprintf(script, sizeof(script), "command -v %s > /dev/null", program);
    if (mounted_run(&m, script) == 0)
        return true;
    print_message("no %s here\n", program);
    return false;
}

/* Local files to copy from, beside the mount. */
#define MAKE_LOCAL                                                                                 \
    "mkdir ../src; for i in 1 2 3; do printf 'Subject: %s\\n\\nbody\\n' $i > ../src/$i.eml; "      \
    "touch -d @100000000$i ../src/$i.eml; done; "

static int stop_clean(void **state)
{
    char script[300];

    snprintf(script, sizeof(script), "rm -rf '%s/src' '%s/dst' '%s/home'", m.base, m.base, m.base);
    if (system(script) != 0)
        print_message("something is left in %s\n", m.base);
    return stop(state);
}

static void cp_in(void **state)
{
    NEED_MOUNT();
    fake_add(m.sync, m.inbox, 1, 1, true);
    RUNS(MAKE_LOCAL "cp ../src/1.eml Inbox/ && cp -p ../src/2.eml Inbox/ && "
                    "cp -a ../src/3.eml Inbox/");
    ASKED("append INBOX 1.eml 20\n", 1);
    ASKED("append INBOX 2.eml 20 dated\n", 1);
    ASKED("append INBOX 3.eml 20 dated\n", 1);
    RUNS("test $(stat -c %Y Inbox/2.eml) = 1000000002 && mv ../src/1.eml Inbox/moved.eml && "
         "! test -e ../src/1.eml && cp -r Inbox ../dst && cmp Inbox/2.eml ../dst/2.eml");
    ASKED("append INBOX moved.eml 20 dated\n", 1);
    RUNS("cp ../src/2.eml Inbox/3.eml");
    ASKED("append INBOX 3.eml 20 replaces\n", 1);
    RUNS("cp -p Inbox/2.eml Inbox/Projects/ && cp -a Inbox/3.eml Inbox/four.eml");
    ASKED("copy", 2);
}

static void rsync_twice(void **state)
{
    NEED_MOUNT();
    fake_add(m.sync, m.inbox, 1, 1, true);
    if (have("rsync")) {
        RUNS(MAKE_LOCAL "chmod 644 ../src/*; rsync -a ../src/ Inbox/");
        ASKED("append", 3);
        ASKED("append INBOX 2.eml 20 dated\n", 1);
        /* what the server has is longer, so rsync sends it again; sync knows the bytes */
        RUNS("rsync -a ../src/ Inbox/");
        ASKED("append", 3);
        RUNS("rsync -a --inplace --no-whole-file ../src/ Inbox/");
        ASKED("append", 3);
        RUNS("rsync -a --delete Inbox/ ../dst/ && test $(ls ../dst | wc -l) = 5");
        RUNS("printf 'Subject: changed\\n\\nx\\n' > ../src/2.eml; rsync -a ../src/ Inbox/ && "
             "grep -q changed Inbox/2.eml");
        ASKED("append", 4);
        ASKED("trash", 1);
        RUNS("test \"$(ls -A Inbox | tr '\\n' ' ')\" = "
             "'1.eml 2.eml 3.eml Projects message-000001.eml '");
    }
}

static void tar_out(void **state)
{
    NEED_MOUNT();
    fake_add(m.sync, m.inbox, 1, 1, true);
    RUNS(MAKE_LOCAL "tar -C ../src -cf ../src/x.tar 1.eml 2.eml 3.eml && "
                    "tar -C Inbox -xf $PWD/../src/x.tar");
    ASKED("append INBOX 2.eml 20 dated\n", 1);
    ASKED("append", 3);
    RUNS("tar -C Inbox -xf $PWD/../src/x.tar && test $(ls Inbox | wc -l) = 5");
    RUNS("tar -cf - Inbox | tar -tf - | grep -q Inbox/3.eml");
}

static void sed_in_place(void **state)
{
    NEED_MOUNT();
    fake_add(m.sync, m.inbox, 1, 1, true);
    RUNS("printf 'Subject: a\\n\\nold\\n' > Inbox/a.eml; sed -i s/old/new/ Inbox/a.eml && "
         "grep -q new Inbox/a.eml");
    ASKED("append INBOX", 2);
    ASKED("trash INBOX", 1);
    RUNS("test $(ls -A Inbox | wc -l) = 3");
    /* its temporary file, sedXXXXXX, is scratch, but where the six look like a word */
    RUNS("cp Inbox/a.eml Inbox/sedQ7Rk2z; mv Inbox/sedQ7Rk2z Inbox/a.eml");
    ASKED("move INBOX a.eml", 0);
    RUNS("cp Inbox/a.eml Inbox/sediment; mv Inbox/sediment Inbox/a.eml");
    ASKED("move INBOX a.eml", 1);
    RUNS("sed -i.tmp s/new/newer/ Inbox/a.eml; true");
    RUNS("grep -q new Inbox/a.eml");
    if (have("perl")) {
        RUNS("perl -pi -e s/new/newest/ Inbox/a.eml && grep -q newest Inbox/a.eml");
    }
}

static void editors(void **state)
{
    NEED_MOUNT();
    fake_add(m.sync, m.inbox, 1, 1, true);
    RUNS("printf 'Subject: a\\n\\nold\\n' > Inbox/a.eml");
    if (have("vim")) {
        RUNS("vim -u NONE -N -es -c '%s/old/vim/' -c 'wq' Inbox/a.eml && grep -q vim Inbox/a.eml");
        RUNS("vim -u NONE -N -es -c 'set backup' -c '%s/vim/two/' -c 'wq' Inbox/a.eml && "
             "grep -q two Inbox/a.eml");
        RUNS("vim -u NONE -N -es -c 'set backupcopy=no' -c 'set backup' -c '%s/two/three/' "
             "-c 'wq' Inbox/a.eml && grep -q three Inbox/a.eml");
        RUNS("vim -u NONE -N -es -c 'normal iSubject: b' -c 'normal o' -c 'wq' Inbox/b.eml && "
             "grep -q 'Subject: b' Inbox/b.eml");
        RUNS("test \"$(ls Inbox | grep -v '~$' | tr '\\n' ' ')\" = "
             "'Projects a.eml b.eml message-000001.eml '");
    }
    if (have("ed")) {
        RUNS("printf '1s/a/ed/\\nw\\nq\\n' | ed -s Inbox/a.eml && grep -q ed Inbox/a.eml");
    }
    if (have("nano") && have("script")) {
        RUNS("export TERM=xterm HOME=$PWD/..; (sleep 1; printf 'x\\023\\030'; sleep 1) | "
             "script -qc 'nano Inbox/b.eml' /dev/null > /dev/null; grep -q xSubject Inbox/b.eml");
    }
}

static void python(void **state)
{
    NEED_MOUNT();
    fake_add(m.sync, m.inbox, 1, 1, true);
    RUNS("python3 - <<'END'\n"
         "import mailbox, os\n"
         "os.mkdir('Mail')\n"
         "for name in ('tmp', 'new', 'cur'): os.mkdir('Mail/' + name)\n"
         "box = mailbox.Maildir('Mail', create=False)\n"
         "key = box.add('Subject: from python\\n\\nbody\\n')\n"
         "assert len(os.listdir('Mail/new')) == 1, os.listdir('Mail/new')\n"
         "assert os.listdir('Mail/tmp') == []\n"
         "assert box[key]['subject'] == 'from python'\n"
         "box.discard(key)\n"
         "assert os.listdir('Mail/new') == []\n"
         "END");
    RUNS("python3 - <<'END'\n"
         "import os, shutil\n"
         "with open('Inbox/a.eml', 'wb') as f: f.write(b'Subject: a\\n\\n')\n"
         "with open('Inbox/a.eml', 'r+b') as f:\n"
         "    f.seek(0, 2); f.write(b'more\\n'); f.flush(); os.fsync(f.fileno())\n"
         "assert open('Inbox/a.eml', 'rb').read() == b'Subject: a\\r\\n\\r\\nmore\\r\\n'\n"
         "shutil.copy2('Inbox/a.eml', 'Inbox/b.eml')\n"
         "shutil.move('Inbox/b.eml', 'Inbox/Projects/b.eml')\n"
         "assert os.path.getsize('Inbox/Projects/b.eml') > 0\n"
         "try:\n"
         "    with open('Inbox/c.eml', 'w') as f: f.write('no message')\n"
         "    raise SystemExit('no error')\n"
         "except OSError as e: assert e.errno == 22, e\n"
         "assert not os.path.exists('Inbox/c.eml')\n"
         "END");
}

static void gio(void **state)
{
    NEED_MOUNT();
    fake_add(m.sync, m.inbox, 1, 4, true);
    if (have("gio")) {
        RUNS("export HOME=$PWD/../home XDG_DATA_HOME=$PWD/../home GIO_USE_VFS=local "
             "DBUS_SESSION_BUS_ADDRESS=disabled:; mkdir -p $HOME; "
             "gio copy Inbox/message-000001.eml Inbox/Projects/ && "
             "gio move Inbox/message-000002.eml Inbox/Projects/ && "
             "gio rename Inbox/message-000003.eml third.eml && gio mkdir Inbox/New && "
             "gio trash Inbox/message-000004.eml && gio remove Inbox/third.eml");
        ASKED("move INBOX/Projects", 1);
        ASKED("move Trash", 1);
        ASKED("store", 0);
        ASKED("create INBOX/New", 1);
        RUNS("test -f .Trash-$(id -u)/info/message-000004.eml.trashinfo && "
             "test -f Trash/message-000004.eml && ! test -e Inbox/message-000004.eml");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define CASE(f) cmocka_unit_test_setup_teardown(f, start, stop_clean)
        CASE(cp_in),   CASE(rsync_twice), CASE(tar_out), CASE(sed_in_place),
        CASE(editors), CASE(python),      CASE(gio),
#undef CASE
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
