"""Judge each kind of case: conversion, structure, quantisation, parity, operators."""
