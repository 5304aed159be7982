"""Run as a child on a session bus: services that behave as no keyring should, and one that watches.

    python3 -m tests.e2e.support.secrets silent|prompting|prompter|unlock

silent      owns org.freedesktop.secrets and never answers
prompting   is an unlocked Secret Service that wants to ask the person before it stores anything
prompter    owns the name by which GNOME's keyring shows its prompts
unlock      is a client that has the default collection unlocked, and does not wait for the person

Each prints "ready", then one line for each prompt that it was asked to show.
"""
import sys
import time

import dbus
import dbus.service
from dbus.mainloop.glib import DBusGMainLoop
from gi.repository import GLib

SECRETS, ROOT = "org.freedesktop.secrets", "/org/freedesktop/secrets"
SERVICE, COLLECTION = "org.freedesktop.Secret.Service", "org.freedesktop.Secret.Collection"
ALIAS, PROMPT = ROOT + "/aliases/default", ROOT + "/prompt/p1"
PROMPTER = "org.gnome.keyring.SystemPrompter"


def say(line):
    print(line, flush=True)


class Service(dbus.service.Object):
    @dbus.service.method(SERVICE, in_signature="sv", out_signature="vo")
    def OpenSession(self, algorithm, _given):
        if algorithm != "plain":
            raise dbus.DBusException("plain only", name="org.freedesktop.DBus.Error.NotSupported")
        return dbus.String("", variant_level=1), dbus.ObjectPath(ROOT + "/session/s1")

    @dbus.service.method(SERVICE, in_signature="s", out_signature="o")
    def ReadAlias(self, _name):
        return dbus.ObjectPath(ALIAS)

    @dbus.service.method(SERVICE, in_signature="a{ss}", out_signature="aoao")
    def SearchItems(self, _attributes):
        return dbus.Array([], "o"), dbus.Array([], "o")

    @dbus.service.method(dbus.PROPERTIES_IFACE, in_signature="s", out_signature="a{sv}")
    def GetAll(self, _interface):
        return {"Collections": dbus.Array([dbus.ObjectPath(ALIAS)], "o")}


class Collection(dbus.service.Object):
    @dbus.service.method(COLLECTION, in_signature="a{sv}(oayays)b", out_signature="oo")
    def CreateItem(self, _properties, _secret, _replace):
        say("stored")
        return dbus.ObjectPath("/"), dbus.ObjectPath(PROMPT)

    @dbus.service.method(dbus.PROPERTIES_IFACE, in_signature="s", out_signature="a{sv}")
    def GetAll(self, _interface):
        return {"Locked": False, "Label": "default", "Items": dbus.Array([], "o"),
                "Created": dbus.UInt64(0), "Modified": dbus.UInt64(0)}


class Prompt(dbus.service.Object):
    @dbus.service.method("org.freedesktop.Secret.Prompt", in_signature="s")
    def Prompt(self, _window):
        say("prompted")


def silent(bus):
    bus.request_name(SECRETS)
    say("ready")
    time.sleep(3600)


def prompting(bus):
    objects = Service(bus, ROOT), Collection(bus, ALIAS), Prompt(bus, PROMPT)
    bus.request_name(SECRETS)
    say("ready")
    GLib.MainLoop().run()
    return objects


def prompter(bus):
    def watch(_connection, message):
        if message.get_type() == 1 and message.get_destination() in (PROMPTER, bus.get_unique_name()):
            say("prompted")
        return dbus.lowlevel.HANDLER_RESULT_NOT_YET_HANDLED

    bus.add_message_filter(watch)
    bus.request_name(PROMPTER)
    say("ready")
    GLib.MainLoop().run()


def unlock(bus):
    service = dbus.Interface(bus.get_object(SECRETS, ROOT), SERVICE)
    _, prompt = service.Unlock([service.ReadAlias("default")])
    dbus.Interface(bus.get_object(SECRETS, prompt), "org.freedesktop.Secret.Prompt").Prompt("")
    say("ready")
    time.sleep(3600)


if __name__ == "__main__":
    DBusGMainLoop(set_as_default=True)
    {"silent": silent, "prompting": prompting, "prompter": prompter, "unlock": unlock}[sys.argv[1]](dbus.SessionBus())
